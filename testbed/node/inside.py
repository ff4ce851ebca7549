"""What runs inside the node's namespaces: the node, and the tests against it.

Called by ``testbed.node`` as ``python -m testbed.node.inside DIRECTORY``; ``plan.json`` there says with what.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from testbed.certs import write_private
from testbed.chart import helm
from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.node.containerd import LIBRARY
from testbed.node.images import NEXT, checkout
from testbed.node.node import Node, running_node
from testbed.node.switch import Switch
from testbed.progress import spoken

NO_NODE = 75
"""Exit code: the machine made no node (EX_TEMPFAIL of sysexits.h), which says nothing about the product."""


def main(arguments: list[str]) -> int:
    """Exit code of the tests, NO_NODE with one message when the node did not start."""
    directory = Path(arguments[0])
    plan = json.loads((directory / "plan.json").read_text())
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            try:
                images = [Path(one) for one in plan["images"]]
                node = stack.enter_context(running_node(directory, Path(plan["kept"]), images))
            except TestbedError as error:
                print(f"error: the node did not start: {error}", file=sys.stderr)
                return NO_NODE
            if not plan["dist"]:
                node.containerd.tag(plan["image"], NEXT)
            print(f"the node is Ready ({spoken(time.monotonic() - began)})", flush=True)
            with Switch(directory / "kubelet", node.kubernetes) as switch:
                settings = _settings(directory, plan, node, switch)
                return _test(settings, plan["arguments"])
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _settings(directory: Path, plan: dict[str, Any], node: Node, switch: Switch) -> Path:
    """Write what tests/e2e wants to know of a cluster (tests/e2e/settings.py)."""
    previous = plan["previous"]
    if previous:
        source = directory / "previous"
        source.mkdir()
        checkout(previous["commit"], source, "charts/vault-issuer")
        previous = {"chart": str(source / "charts" / "vault-issuer"), "image": previous["image"]}
    vault = node.bed.vault
    settings = {
        "disposable": True,
        "kubeconfig": str(node.bed.kubeconfig),
        "vault": {"addr": vault.addr, "token": vault.token, "caFile": str(vault.ca_file)},
        "image": plan["image"],
        # A release's chart has the registry of its image already.
        "values": {} if plan["dist"] else {"image": {"registry": LIBRARY}},
        "nextImage": plan["image"] if plan["dist"] else NEXT,
        "dist": plan["dist"],
        "imageMegabytes": plan["imageMegabytes"],
        "previous": previous,
        "kubelet": {"stop": switch.command("off"), "start": switch.command("on")},
        "kill": [*node.containerd.command(), "task", "kill", "--signal=SIGKILL"],
    }
    file = directory / "settings.json"
    write_private(file, json.dumps(settings, indent=2).encode())
    return file


def _test(settings: Path, arguments: list[str]) -> int:
    told = json.loads(settings.read_text())
    paths = [str(helm().parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {
        **os.environ,
        "E2E_SETTINGS": str(settings),
        "KUBECONFIG": told["kubeconfig"],
        "PATH": ":".join(paths),
        "TMPDIR": tempfile.gettempdir(),
    }
    if os.environ.get("SHELL_ONLY"):
        return subprocess.run(["/bin/bash"], env=environment, check=False).returncode
    command = [sys.executable, "-m", "pytest", "tests/e2e", "-s", "-v", "--no-header", *arguments]
    code = subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode
    if code:
        print("events of the cluster, the last ones last:", flush=True)
        words = ["kubectl", "get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"]
        told = subprocess.run(words, env=environment, capture_output=True, text=True, check=False).stdout
        print("\n".join(told.splitlines()[-40:]), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
