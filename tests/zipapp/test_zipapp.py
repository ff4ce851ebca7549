"""The command as one file: built, then run by another Python than the clone's, with an empty HOME."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from issuer import __version__
from testbed.cluster import REPOSITORY
from testbed.openbao import OpenBao
from testbed.servers import find_bao
from tests.agent.support import Machine
from tools.krew import manifest
from tools.zipapp import PLUGINS, Target

SAMPLES = REPOSITORY / "config" / "samples"
PYTHON = Path(sys.base_prefix) / "bin"
"""The folder of the Python that the clone's was made with, which has none of our packages."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs and their archive."""
    if importlib.util.find_spec("pex") is None:
        pytest.skip("pex is not installed: `make zipapp` installs it")
    folder = tmp_path_factory.mktemp("command")
    words = [sys.executable, "-m", "tools.zipapp", f"--output={folder}"]
    nobody = {"https_proxy": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    subprocess.run(words, cwd=REPOSITORY, check=True, env={**os.environ, **nobody})
    return folder


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive unpacked into one folder, and the plugin linked into another, as krew does."""
    home = tmp_path_factory.mktemp("krew")
    store, programs = home / "store", home / "bin"
    store.mkdir()
    subprocess.run(["tar", "-xzf", str(built / Target.here().archive), "-C", str(store)], check=True)
    programs.mkdir()
    for name in PLUGINS:
        (programs / name).symlink_to(store / name)
    return home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A HOME with nothing in it before the first start."""
    folder = tmp_path_factory.mktemp("home")
    assert list(folder.iterdir()) == []
    yield folder
    assert [one.name for one in folder.iterdir()] == [".cache"]


def run(program: Path | str, *words: str, home: Path | None, first: Path = PYTHON) -> str:
    """Run a program that finds nothing but Python, what lies in `first`, and the system; its output."""
    environment = {"PATH": os.pathsep.join(map(str, (first, PYTHON, "/usr/bin", "/bin"))), "TERM": "dumb"}
    if home is not None:
        environment["HOME"] = str(home)
    done = subprocess.run(
        [str(program), *words], env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_with_an_empty_home_and_its_native_modules_load(built: Path, home: Path) -> None:
    command = built / "vault-issuer"
    assert run(command, "--version", home=home) == f"vault-issuer {__version__}\n"
    policy, issuer = str(SAMPLES / "policy.yaml"), str(SAMPLES / "issuer.yaml")
    assert "1 policy: 0 errors" in run(command, "policy", "lint", policy, home=home)
    words = ["policy", "explain", "-f", issuer, "--policies", policy, "--allow-use", "lab"]
    assert 'Approved by the policy "lab"' in run(command, *words, home=home)


def test_it_has_the_wheel_beside_it_byte_for_byte(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as ours, zipfile.ZipFile(built / "vault-issuer") as command:
        modules = [name for name in ours.namelist() if name.startswith("issuer/")]
        there = [name for name in command.namelist() if f"{wheel.name}/issuer/" in name and name[-1] != "/"]
        assert sorted(there) == sorted(f".deps/{wheel.name}/{name}" for name in modules)
        assert [one for one in modules if ours.read(one) != command.read(f".deps/{wheel.name}/{one}")] == []


def test_kubectl_runs_it_as_a_plugin_through_krews_link(installed: Path, home: Path) -> None:
    kubectl = REPOSITORY / ".venv" / "bin" / "kubectl"
    listed = run(kubectl, "vault-issuer", "--help", home=home, first=installed / "bin")
    assert "kubectl vault-issuer COMMAND" in listed
    completed = run(kubectl, "__complete", "vault-issuer", "stat", home=home, first=installed / "bin")
    assert completed.startswith("status\t")


def test_krews_manifest_fits_the_archive(built: Path) -> None:
    archive = built / Target.here().archive
    made = manifest([archive], "https://git.example.com/downloads", "https://git.example.com/a/b")
    (platform,) = made["spec"]["platforms"]
    assert platform["sha256"] == sha256(archive.read_bytes()).hexdigest()
    with tarfile.open(archive) as tar:
        assert platform["bin"] in tar.getnames()
        assert "LICENSE" in tar.getnames()


def test_agent_keeps_a_certificate_by_it(built: Path, home: Path, tmp_path: Path) -> None:
    """On a real OpenBao, as on a NAS that has Python alone: by itself, and by Python with the file."""
    server = OpenBao(find_bao(), tmp_path / "openbao")
    try:
        server.start()
        server.write("sys/auth/approle", {"type": "approle"})
        (tmp_path / "nas").mkdir()
        machine = Machine.made(server, "nas", tmp_path / "nas")
        path = machine.folder / "agent.yaml"
        path.write_text(yaml.safe_dump(machine.data))
        path.chmod(0o600)
        words = ("agent", "once", "-c", str(path))
        assert "web: renewed (First)" in run(built / "vault-issuer", *words, home=home)
        assert machine.served()
        python = ("python3", str(built / "vault-issuer"))
        assert "web: kept" in run(*python, *words, home=home)
        cron = run(*python, "agent", "install", "--print", "cron", "-c", str(path), home=home)
        assert f"{built / 'vault-issuer'} agent once -c {path}" in cron
    finally:
        server.close()
