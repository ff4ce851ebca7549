"""An administrator of any cluster, by its kubeconfig."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed.errors import TestbedError
from testbed.kube import Kube


def kubectl(kubeconfig: Path, *arguments: str) -> str:
    """What kubectl printed; TestbedError with its words when it fails."""
    beside = Path(sys.executable).with_name("kubectl")
    program = str(beside) if beside.is_file() else "kubectl"
    done = subprocess.run(
        [program, f"--kubeconfig={kubeconfig}", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise TestbedError(f"kubectl {' '.join(arguments[:4])} failed: {done.stderr.strip()[-1500:]}")
    return done.stdout


@contextlib.contextmanager
def administrator(kubeconfig: Path) -> Iterator[tuple[Kube, str, str]]:
    """A client with an administrator's token, the server's URL and its CA's PEM.

    Where the kubeconfig has another kind of login, a ServiceAccount is made for the time of the tests.
    """
    told = json.loads(kubectl(kubeconfig, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    server, data = (told["clusters"][0]["cluster"][key] for key in ("server", "certificate-authority-data"))
    pem = base64.b64decode(data).decode()
    with contextlib.ExitStack() as stack:
        token = told["users"][0]["user"].get("token") or stack.enter_context(_account(kubeconfig))
        file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".crt"))
        file.write(pem)
        file.flush()
        kube = Kube(server, Path(file.name), token)
        stack.callback(kube.close)
        yield kube, server, pem


@contextlib.contextmanager
def _account(kubeconfig: Path) -> Iterator[str]:
    name, where = f"vault-issuer-e2e-{secrets.token_hex(3)}", "kube-system"
    account, binding = ["serviceaccount", name, f"--namespace={where}"], ["clusterrolebinding", name]
    kubectl(kubeconfig, "create", *account)
    try:
        rights = ["--clusterrole=cluster-admin", f"--serviceaccount={where}:{name}"]
        kubectl(kubeconfig, "create", *binding, *rights)
        yield kubectl(kubeconfig, "create", "token", name, f"--namespace={where}", "--duration=3h").strip()
    finally:
        for item in (binding, account):
            kubectl(kubeconfig, "delete", "--ignore-not-found", *item)
