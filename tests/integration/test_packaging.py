"""What is installed is what is here: a wheel in a fresh environment, with the plugin that kubectl finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and a PATH that has it, kubectl, and nothing else of ours."""

    folder: Path
    env: Mapping[str, str]

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints, with its errors."""
        done = subprocess.run(
            words, env=self.env, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel is built from a copy of what is packaged, without a registry; dependencies are borrowed."""
    folder = tmp_path_factory.mktemp("packaging")
    source, wheels, home, tools = (folder / name for name in ("source", "wheels", "venv", "tools"))
    shutil.copytree(REPOSITORY / "issuer", source / "issuer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(REPOSITORY / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-index", "--no-deps"]
    built = ["wheel", *offline, "--no-build-isolation", f"--wheel-dir={wheels}", str(source)]
    subprocess.run([*pip, *built], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (wheel,) = wheels.glob("vault_issuer-*.whl")
    python = str(home / "bin" / "python")
    into = [*pip, f"--python={python}", "install", *offline, "--ignore-installed", str(wheel)]
    subprocess.run(into, check=True)
    found = sysconfig.get_path("purelib", vars={"base": str(home)})
    Path(found, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    tools.mkdir()
    beside = Path(sys.executable).with_name("kubectl")
    (tools / "kubectl").symlink_to(beside if beside.is_file() else str(shutil.which("kubectl")))
    path = os.pathsep.join([str(home / "bin"), str(tools), "/usr/bin", "/bin"])
    return Installed(folder, {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(folder / "none")})


def test_the_command_is_the_wheels_and_what_it_wants_is_there(installed: Installed) -> None:
    python = str(installed.folder / "venv" / "bin" / "python")
    module = installed.run(python, "-c", "import issuer; print(issuer.__file__)")
    assert module.startswith(str(installed.folder / "venv"))
    assert "vault-issuer 0." in installed.run("vault-issuer", "--version")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", f"--python={python}", "check"]
    assert "No broken requirements" in installed.run(*pip)


def test_kubectl_finds_runs_and_completes_the_plugin(installed: Installed) -> None:
    listed = installed.run("kubectl", "plugin", "list")
    assert str(installed.folder / "venv" / "bin" / "kubectl-vault_issuer") in listed
    assert "warning" not in listed.lower()
    assert "kubectl vault-issuer status" in " ".join(
        installed.run("kubectl", "vault-issuer", "status", "--help").split()
    )
    completed = installed.run("kubectl", "__complete", "vault-issuer", "exp").splitlines()
    assert completed[0].startswith("explain\t")
    assert ":4" in completed
