"""The image leaves the Kubernetes client's models and calls out: nothing that runs may import them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.scripts import ROOT, run_script
from tools.bootstrap import UNUSED

ABSENT = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(tuple(prefix + "." for prefix in sys.argv[1:])):
            raise ImportError(f"{name} is not in the image")

sys.meta_path.insert(0, Absent())
"""
EVERYTHING = """
import issuer
for module in pkgutil.walk_packages(issuer.__path__, "issuer."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
CREDENTIALS = """
import asyncio
from issuer.kube.errors import ConfigError
from issuer.cluster import connect

async def both_ways():
    for kubeconfig in ("kubeconfig", None):  # a file, and a pod's ServiceAccount
        try:
            await (await connect(kubeconfig)).close()
        except ConfigError as error:
            print(error.message)

asyncio.run(both_ways())
"""
KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def left_out() -> list[str]:
    """The packages whose modules the Dockerfile deletes."""
    text = (ROOT / "Dockerfile").read_text()
    found = re.search(r"find ((?:/app/kubernetes/\S+ )+)", text)
    assert found is not None
    return [path.removeprefix("/app/").replace("/", ".") for path in found[1].split()]


def run(folder: Path, code: str, *packages: str) -> subprocess.CompletedProcess[str]:
    """Run code without the modules of these packages."""
    (folder / "kubeconfig").write_text(KUBECONFIG)
    env = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    return run_script(ABSENT + code, *packages, cwd=folder, env=env)


def test_everything_is_imported_and_credentials_load_without_them(tmp_path: Path) -> None:
    assert left_out() == [folder.replace("/", ".") for folder in UNUSED]
    done = run(tmp_path, EVERYTHING + CREDENTIALS, *left_out())
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "only the pod's ServiceAccount isn't here"
    assert done.stdout.startswith("In-cluster configuration")


def test_a_module_that_is_needed_would_be_noticed(tmp_path: Path) -> None:
    assert "is not in the image" in run(tmp_path, CREDENTIALS, "kubernetes.aio.config").stderr
