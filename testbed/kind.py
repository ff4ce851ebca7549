"""``make kind``: tests/e2e on a kind cluster, where Docker and kind are there.

The cluster is kind's; Vault and cert-manager run beside it as processes, at the address of its network that
its containers reach. ``KEEP=1`` leaves the cluster. Linux only: elsewhere containers can't reach the host so.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from testbed import certmanager
from testbed.administrator import administrator
from testbed.certmanager import CONTROLLERS, Controllers, Webhook
from testbed.certs import write_private
from testbed.cluster import OBJECTS, REPOSITORY
from testbed.controlplane import write_kubeconfig
from testbed.errors import TestbedError
from testbed.kube import Kube, load
from testbed.node.containerd import LIBRARY
from testbed.node.images import IMAGE, NEXT, PREVIOUS, checkout
from testbed.node.previous import previous_version
from testbed.node.tools import run
from testbed.openbao import OpenBao
from testbed.servers import Servers, find_servers

NAME = "vault-issuer-e2e"
NODE = f"{NAME}-control-plane"


def main(arguments: list[str]) -> int:
    """Exit code of the tests; 1 with one message when the cluster did not start."""
    missing = [name for name in ("docker", "kind") if shutil.which(name) is None]
    if missing:
        print(f"make kind needs {' and '.join(missing)} on PATH", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="vault-issuer-kind-") as folder:
            return _run(Path(folder), arguments)
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(directory: Path, arguments: list[str]) -> int:
    servers = find_servers()
    source = directory / "previous"
    source.mkdir()
    previous = previous_version()
    if previous is None:
        raise TestbedError("the upgrade test needs the whole history: git fetch --unshallow")
    checkout(previous.commit, source)
    kubeconfig = directory / "kubeconfig"
    with _cluster(kubeconfig), contextlib.ExitStack() as stack:
        for image, context in ((IMAGE, REPOSITORY), (PREVIOUS, source)):
            run("docker", "build", "--quiet", "--tag", image, context)
        run("docker", "tag", IMAGE, NEXT)
        run("kind", "load", "docker-image", f"--name={NAME}", IMAGE, NEXT, PREVIOUS)
        address = _gateway()
        vault = OpenBao(servers.bao, directory / "openbao", address)
        stack.callback(vault.close)
        vault.start()
        _start_cert_manager(servers, directory, kubeconfig, address, stack)
        settings = {
            "disposable": True,
            "kubeconfig": str(kubeconfig),
            "vault": {"addr": vault.addr, "token": vault.token, "caFile": str(vault.ca_file)},
            "image": IMAGE,
            "values": {"image": {"registry": LIBRARY}},
            "nextImage": NEXT,
            "previous": {"chart": str(source / "charts" / "vault-issuer"), "image": PREVIOUS},
            "kubelet": {
                "stop": ["docker", "exec", NODE, "systemctl", "stop", "kubelet"],
                "start": ["docker", "exec", NODE, "systemctl", "start", "kubelet"],
            },
            "kill": ["docker", "exec", NODE, "ctr", "--namespace=k8s.io", "task", "kill", "--signal=SIGKILL"],
        }
        file = directory / "settings.json"
        write_private(file, json.dumps(settings).encode())
        words = [sys.executable, "-m", "pytest", "tests/e2e", "-s", "-v", *arguments]
        environment = {**os.environ, "E2E_SETTINGS": str(file)}
        return subprocess.run(words, env=environment, cwd=REPOSITORY, check=False).returncode


@contextlib.contextmanager
def _cluster(kubeconfig: Path) -> Iterator[None]:
    run("kind", "create", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig}", "--wait=3m")
    try:
        yield
    finally:
        if not os.environ.get("KEEP"):
            run("kind", "delete", "cluster", f"--name={NAME}", f"--kubeconfig={kubeconfig}")


def _gateway() -> str:
    """Our address in kind's network."""
    told = json.loads(run("docker", "network", "inspect", "kind"))
    found = [str(one.get("Gateway", "")) for one in told[0]["IPAM"]["Config"]]
    return next(one for one in found if "." in one)


def _start_cert_manager(
    servers: Servers, directory: Path, kubeconfig: Path, address: str, stack: contextlib.ExitStack
) -> None:
    if servers.cert_manager is None or servers.cert_manager_crds is None:
        raise TestbedError("cert-manager was not built: `make build`")
    kube, server, pem = stack.enter_context(administrator(kubeconfig))
    ca_file = directory / "api-ca.crt"
    ca_file.write_text(pem)
    crds = load(servers.cert_manager_crds)
    kube.apply([*load(OBJECTS / "base.yaml"), *crds, *load(OBJECTS / "cert-manager.yaml")])
    for crd in crds:
        kube.wait(crd["apiVersion"], crd["kind"], crd["metadata"]["name"], until="Established")

    def account(name: str) -> Path:
        token = _token(kube, certmanager.NAMESPACE, name)
        return write_kubeconfig(directory / f"{name}.kubeconfig", server, ca_file, token, name)

    program, own = servers.cert_manager.path, directory / "cert-manager"
    webhook, controllers = Webhook(program, own, address), Controllers(program, own)
    for process in (webhook.process, controllers.process):
        stack.callback(process.stop)
    webhook.start(account(certmanager.WEBHOOK_ACCOUNT))
    kube.apply(webhook.configurations())
    names = [one for one in CONTROLLERS if one != certmanager.APPROVER]
    controllers.start(account(certmanager.CONTROLLER_ACCOUNT), names, "1s")


def _token(kube: Kube, namespace: str, name: str) -> str:
    meta = {"name": name, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    return kube.service_account_token(namespace, name, seconds=86_400)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
