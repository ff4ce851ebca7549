"""A signed release is verified by cosign and Helm as docs/verify.md says, without a network.

cosign and a registry (crane's) are built for it: `make test-signing`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from issuer import __version__
from testbed.builds import COSIGN, CRANE, HELM, build
from testbed.chart import ChartError, run_helm
from testbed.cluster import REPOSITORY
from tests.docs.console import console
from tests.docs.shell import Shell
from tests.signing.keys import GpgKeys, cosign_keys

PAGE = REPOSITORY / "docs" / "verify.md"
HERE = "tests/signing/test_signing.py"
REGISTRY = "registry.example.com"
ADDRESS = "https://git.example.com/pki/vault-issuer"
PACKAGE = f"vault-issuer-{__version__}.tgz"
PASSWORD = {"COSIGN_PASSWORD": "of-no-use-elsewhere"}


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    """A reader's environment: cosign, crane and Helm on PATH, and the password of the key."""
    folders = [str(build(one)) for one in (COSIGN, CRANE, HELM)]
    return {"PATH": os.pathsep.join([*folders, os.environ["PATH"]]), **PASSWORD}


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed release, and the keys that a reader verifies it with."""

    dist: Path
    private: Path
    public: Path
    gpg: GpgKeys


@pytest.fixture(scope="module")
def signed(programs: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """What `make release` writes with both keys, offline."""
    folder = tmp_path_factory.mktemp("signed")
    private, public = cosign_keys(Path(build(COSIGN), COSIGN.program), folder / "cosign", PASSWORD)
    gpg, dist = GpgKeys.made(folder), folder / "dist"
    keys = gpg.signing(str(private))
    words = [sys.executable, "-m", "tools.release", "--uncommitted", f"--output={dist}"]
    words += [f"--registry={REGISTRY}", f"--helm-key={keys.helm_key}", f"--helm-keyring={keys.helm_keyring}"]
    words += [f"--helm-passphrase-file={keys.helm_passphrase_file}", f"--cosign-key={keys.cosign_key}"]
    environment = {**os.environ, **programs, "REPOSITORY_URL": ADDRESS}
    subprocess.run([*words, "--cosign-offline=1"], cwd=REPOSITORY, env=environment, check=True)
    return Signed(dist, private, public, gpg)


@pytest.fixture
def copy(signed: Signed, tmp_path: Path) -> Path:
    """A folder with the release and the public keys, by the names of the page."""
    folder = tmp_path / "downloaded"
    shutil.copytree(signed.dist, folder)
    for file in (signed.public, signed.private, signed.gpg.public):
        shutil.copyfile(file, folder / file.name)
    return folder


@pytest.fixture
def registry(programs: Mapping[str, str], tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    storage = tmp_path / "registry"
    storage.mkdir()
    words = ["crane", "registry", "serve", "--address=127.0.0.1:0", f"--disk={storage}"]
    with subprocess.Popen(words, env={**os.environ, **programs}, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        told = (re.search(r"serving on .*?(\d+)$", line.strip()) for line in server.stderr)
        port = next(found[1] for found in told if found)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def shell(copy: Path, programs: Mapping[str, str], registry: str) -> Iterator[Shell]:
    """A terminal in that folder; the registry of the page is the one that runs here, without TLS."""
    replaced = {REGISTRY: registry, "helm push ": "helm push --plain-http "}
    shell = Shell(copy, programs, replaced)
    yield shell
    shell.close()


def type_blocks(shell: Shell, test: str) -> None:
    """Type what the page says is run by a test of this file: what makes a signature before what reads it."""
    blocks = [one for one in console(PAGE) if one.run_by == f"{HERE}::{test}"]
    assert blocks
    for block in reversed(blocks):  # the page has what readers do before what makers do
        shell.type(block)


def test_a_reader_verifies_what_was_downloaded(shell: Shell, copy: Path) -> None:
    type_blocks(shell, "test_a_reader_verifies_what_was_downloaded")
    assert (copy / "SHA256SUMS.sigstore.json").stat().st_mode & 0o777 == 0o644


def test_a_changed_file_or_another_key_is_refused(
    shell: Shell, copy: Path, programs: Mapping[str, str], tmp_path: Path
) -> None:
    verify = "cosign verify-blob --insecure-ignore-tlog --bundle SHA256SUMS.sigstore.json SHA256SUMS"
    shell.run(f"{verify} --key cosign.pub")
    _, other = cosign_keys(Path(build(COSIGN), COSIGN.program), tmp_path / "other", programs)
    assert "invalid signature" in shell.run(f"{verify} --key {other}", 1)
    with (copy / "vault-issuer.yaml").open("a") as file:
        file.write("# changed\n")
    assert "vault-issuer.yaml: FAILED" in shell.run("sha256sum --check --quiet SHA256SUMS", 1)
    shell.run("sha256sum *.yaml *.tgz > SHA256SUMS")
    assert "invalid signature" in shell.run(f"{verify} --key cosign.pub", 1)


def test_a_changed_chart_is_refused_by_helm(copy: Path, signed: Signed) -> None:
    words = ["verify", f"--keyring={signed.gpg.public}", str(copy / PACKAGE)]
    assert signed.gpg.name in run_helm(words)
    (copy / PACKAGE).write_bytes((copy / PACKAGE).read_bytes() + b"\0")
    with pytest.raises(ChartError, match="sha256 sum does not match"):
        run_helm(words)


def test_image_and_chart_are_signed_in_a_registry(shell: Shell, copy: Path) -> None:
    (copy / "layer").mkdir()
    image = f"{REGISTRY}/vault-issuer:{__version__}"
    push = f"tar -cf layer.tar layer && crane append --oci-empty-base -f layer.tar -t {image}"
    shell.run(push)
    unsigned = f"cosign verify --insecure-ignore-tlog --key cosign.pub {image}"
    assert "no signatures found" in shell.run(unsigned, 10)
    type_blocks(shell, "test_image_and_chart_are_signed_in_a_registry")
    (copy / "layer" / "changed").touch()
    shell.run(push)
    assert "no signatures found" in shell.run(unsigned, 10)


def test_helm_pulls_the_layout_that_was_copied(shell: Shell, copy: Path) -> None:
    type_blocks(shell, "test_helm_pulls_the_layout_that_was_copied")
    chart = f"oci://{REGISTRY}/mirror/vault-issuer --version {__version__}"
    shell.run(f"helm pull --plain-http {chart} --verify --keyring public.gpg --destination layout")
    assert (copy / "layout" / PACKAGE).read_bytes() == (copy / PACKAGE).read_bytes()
