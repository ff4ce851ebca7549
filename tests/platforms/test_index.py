"""The image for amd64 and arm64: an index that is made without emulating, and each image run under QEMU.

Root and Debian 12: `make test-platforms`. Not tried: an arm64 machine.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from issuer import __version__
from testbed.cluster import REPOSITORY
from testbed.node import requirements
from testbed.node.platforms import ARCHITECTURES, IndexedImage, emulated, indexed_image
from testbed.progress import Progress

PACKAGES = REPOSITORY / "tools" / "platform-packages.sh"
# e_machine of an ELF file's header (System V ABI, chapter 4), and its emulator of Debian's qemu-user-static.
MACHINES = {"amd64": (62, "x86_64"), "arm64": (183, "aarch64")}
NATIVE = "aiohttp._http_parser, cryptography.hazmat.bindings._rust, yaml._yaml, yarl._quoting_c, multidict"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> IndexedImage:
    """The index of HEAD."""
    reason = requirements.reason_not_to()
    if reason:
        pytest.skip(reason)
    subprocess.run([PACKAGES], check=True)
    return indexed_image(tmp_path_factory.mktemp("index"), Progress("make image"))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def arch(request: pytest.FixtureRequest) -> str:
    """Each architecture in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def root(image: IndexedImage, arch: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a container of that image."""
    return image.unpack(arch, tmp_path_factory.mktemp(arch))


def run(root: Path, arch: str, *words: str) -> str:
    """Run a command of the image, emulated even where it could run by itself."""
    return emulated(root, Path(f"/usr/bin/qemu-{MACHINES[arch][1]}-static"), *words)


def test_the_index_lists_both_and_their_labels_are_alike(image: IndexedImage) -> None:
    assert set(image.manifests()) == set(ARCHITECTURES)
    labels = []
    for arch in ARCHITECTURES:
        config = image.config(arch)
        assert (config["architecture"], config["os"]) == (arch, "linux")
        labels.append(config["config"]["Labels"])
    assert labels[0]["org.opencontainers.image.version"] == __version__
    assert labels[0] == labels[1]


def test_a_second_build_takes_the_place_of_the_first(image: IndexedImage) -> None:
    assert sorted(image.architectures()) == sorted(ARCHITECTURES)


def test_native_code_is_of_the_images_architecture(root: Path, arch: str) -> None:
    libraries = list((root / "app").rglob("*.so*"))
    assert len(libraries) > 10
    for library in libraries:
        assert int.from_bytes(library.read_bytes()[18:20], "little") == MACHINES[arch][0], library


def test_the_command_runs_under_qemu(root: Path, arch: str) -> None:
    python = ("/usr/bin/python3", "-P")
    assert f"vault-issuer {__version__}" in run(root, arch, *python, "-m", "issuer", "--version")
    told = run(root, arch, *python, "-c", f"import {NATIVE}, platform; print(platform.machine())")
    assert told.split() == [MACHINES[arch][1]]
    first = (root / "app" / "bin" / "vault-issuer").read_text(encoding="utf-8").splitlines()[0]
    interpreter = re.match(r"#!(\S+) -P$", first)
    assert interpreter
    assert "Python" in run(root, arch, interpreter[1], "--version")
    assert "VaultClusterIssuer" in run(root, arch, *python, "-m", "issuer", "crds")
