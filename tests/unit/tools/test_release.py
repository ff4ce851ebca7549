"""`make release` and the repository's address: named in what is made, missed aloud, and refused if wrong."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from issuer import __version__
from tools import release, repository, sources
from tools.repository import VARIABLE
from tools.signing import Signing
from tools.sources import ROOT, packaged

ADDRESS = "https://git.example.com/pki/vault-issuer"
STEPS = ("wheel", "sdist", "requirements", "chart", "schemas", "manifests", "materials", "checksums")


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a release make no files, in a clone without `origin`."""
    for name in STEPS:
        monkeypatch.setattr(release, name, lambda output, *_: output / "SHA256SUMS")
    monkeypatch.setattr(repository, "_origin", lambda _: "")


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(("given", "warned"), [("", True), (ADDRESS, False)])
def test_a_release_that_names_no_repository_warns(
    given: str,
    warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    words = ["--uncommitted", f"--output={tmp_path / 'dist'}", "--registry=registry.example.com"]
    assert release.main(words) == 0
    told = capsys.readouterr().err
    assert (f"make release {VARIABLE}=https://" in told) == warned
    assert bool(told) == warned


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    "given", ["http://git.example.com/a", "git.example.com/a", "https://git.example.com"]
)
def test_an_address_that_is_none_is_refused_before_anything_is_removed(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "SHA256SUMS").touch()
    monkeypatch.setenv(VARIABLE, given)
    assert release.main(["--uncommitted", f"--output={tmp_path}"]) == 1
    assert VARIABLE in capsys.readouterr().err
    assert (tmp_path / "SHA256SUMS").exists()


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    "given", ["registry.example.com/", "https://registry.example.com", 'a"\nx: y', r"\1", " ", "a\n"]
)
def test_a_registry_that_is_none_is_refused(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "dist"
    assert release.main(["--uncommitted", f"--output={output}", f"--registry={given}"]) == 1
    assert "REGISTRY" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.usefixtures("nothing_made")
def test_what_no_release_wrote_is_not_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious").touch()
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    for output in (tmp_path, link, tmp_path / "precious"):
        assert release.main(["--uncommitted", f"--output={output}"]) == 1
        assert str(output) in capsys.readouterr().err
    assert (tmp_path / "precious").exists()


@pytest.mark.usefixtures("nothing_made")
def test_a_release_goes_whole_or_interrupted_and_nothing_beside_it(tmp_path: Path) -> None:
    words = ["--uncommitted", f"--output={tmp_path}"]
    (tmp_path / "vault-issuer-0.0.1.tgz").touch()
    assert release.main(words) == 0  # interrupted before its checksums
    assert list(tmp_path.iterdir()) == []
    for name in ("SHA256SUMS", "precious"):
        (tmp_path / name).touch()
    assert release.main(words) == 1
    assert (tmp_path / "precious").exists()


@pytest.mark.usefixtures("nothing_made")
def test_an_image_that_nothing_can_build_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    output = tmp_path / "dist"
    assert release.main(["--uncommitted", f"--output={output}", "--python-image=python:3.13-slim"]) == 1
    assert "buildah" in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.usefixtures("nothing_made")
def test_the_base_is_of_a_system_that_says_which_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, root = tmp_path / "dist", tmp_path / "root"
    (root / "var" / "lib" / "dpkg").mkdir(parents=True)
    words = ["--uncommitted", f"--output={output}", f"--dpkg={root / 'var' / 'lib' / 'dpkg'}"]
    assert release.main(words) == 1
    assert "os-release" in capsys.readouterr().err
    assert not output.exists()
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "os-release").touch()
    assert release.main(words) == 0


def test_what_git_ignores_is_not_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "clone"
    (root / "charts").mkdir(parents=True)
    for name in ("values.yaml", "new.yaml", ".env", "page.js~"):
        (root / "charts" / name).write_text(name)
    (root / ".gitignore").write_text(".env\n*~\n")
    for words in (["init", "--quiet"], ["add", "charts/values.yaml", ".gitignore"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    monkeypatch.setattr(sources, "ROOT", root)
    copied = sources.copy(("charts",), tmp_path / "copy")
    assert sorted(one.name for one in (copied / "charts").iterdir()) == ["new.yaml", "values.yaml"]


@pytest.mark.parametrize("address", [None, ADDRESS])
def test_the_package_names_its_source_where_it_has_an_address(address: str | None, tmp_path: Path) -> None:
    written = tomllib.loads((packaged(tmp_path, address) / "pyproject.toml").read_text())
    more = {
        "Source": ADDRESS,
        "Issues": f"{ADDRESS}/issues",
        "Changelog": f"{ADDRESS}/blob/v{__version__}/CHANGELOG.md",
    }
    urls = written["project"]["urls"]
    assert {"Homepage", "Documentation"} == urls.keys() - more.keys()
    assert {name: urls[name] for name in urls if name in more} == (more if address else {})


def test_whoever_releases_is_told_to_give_the_address() -> None:
    steps = (ROOT / "RELEASE.md").read_text()
    assert f"make release REGISTRY=... {VARIABLE}=https://" in steps


def test_what_a_signature_needs_is_told_before_anything_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "SHA256SUMS").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    keys = ["--helm-key=me", "--cosign-key=no/such.key"]
    assert release.main(["--uncommitted", f"--output={tmp_path}", *keys]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["HELM_KEY", "COSIGN_KEY", "COSIGN_KEY"]
    assert "HELM_KEYRING" in told[0]
    assert "no/such.key" in told[1]
    assert "PATH" in told[2]
    assert (tmp_path / "SHA256SUMS").exists()


def test_keyrings_that_are_not_there_are_named(tmp_path: Path) -> None:
    told = Signing("me", str(tmp_path / "a"), str(tmp_path / "b")).wanting()
    assert told == [
        f"HELM_KEYRING is no file: {tmp_path / 'a'}",
        f"HELM_PASSPHRASE_FILE is no file: {tmp_path / 'b'}",
    ]


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cosign that writes bundles for its owner alone, as the real one does, and fails for the key `bad`."""
    program = tmp_path / "bin" / "cosign"
    program.parent.mkdir()
    program.write_text(
        """#!/bin/sh
echo "$@" >> "$0.log"
umask 077
for word; do case "$word" in
--key=*bad) exit 3 ;;
--bundle=* | --out=*) echo made > "${word#*=}" ;;
esac; done
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_everybody_may_read_what_cosign_wrote(cosign: Path, tmp_path: Path) -> None:
    sums = tmp_path / "SHA256SUMS"
    Signing(cosign_key="awskms:///alias/release").sign(sums)
    assert (tmp_path / "SHA256SUMS.sigstore.json").stat().st_mode & 0o777 == 0o644
    (typed,) = cosign.with_suffix(".log").read_text().splitlines()
    assert "--key=awskms:///alias/release" in typed.split()


def test_offline_cosign_is_told_to_use_no_service(cosign: Path, tmp_path: Path) -> None:
    Signing(cosign_key="k", offline=True).sign(tmp_path / "SHA256SUMS")
    *made, typed = cosign.with_suffix(".log").read_text().splitlines()
    for words, flag in zip(made, ("--signing-config", "--trusted-root"), strict=True):
        name, file = flag.removeprefix("--"), words.partition("--out=")[2]
        assert words.startswith(f"{name} create ")
        assert f"{flag}={file}" in typed.split()


@pytest.mark.usefixtures("cosign", "nothing_made")
def test_a_release_that_could_not_be_signed_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "bad"
    key.touch()
    output = tmp_path / "dist"
    assert release.main(["--uncommitted", f"--output={output}", f"--cosign-key={key}"]) == 1
    assert "nothing is left in dist/" in capsys.readouterr().err
    assert not output.exists()


def test_make_hands_every_key_on() -> None:
    names = ("HELM_KEY", "HELM_KEYRING", "HELM_PASSPHRASE_FILE", "COSIGN_KEY", "COSIGN_OFFLINE")
    words = ["make", "--dry-run", "--always-make", "release", *(f"{name}=value-of-{name}" for name in names)]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in names:
        assert f'--{name.lower().replace("_", "-")} "value-of-{name}"' in done.stdout
