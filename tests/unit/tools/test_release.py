"""`make release` and the repository's address: named in what is made, missed aloud, and refused if wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from issuer import __version__
from tools import release, repository
from tools.repository import VARIABLE
from tools.sources import ROOT, packaged

ADDRESS = "https://git.example.com/pki/vault-issuer"
STEPS = ("wheel", "sdist", "requirements", "chart", "schemas", "manifests", "materials", "checksums")


@pytest.fixture
def nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a release make no files, in a clone without `origin`."""
    for name in STEPS:
        monkeypatch.setattr(release, name, lambda *_: None)
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
    assert release.main(["--uncommitted", f"--output={tmp_path / 'dist'}"]) == 0
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
    (tmp_path / "kept").touch()
    monkeypatch.setenv(VARIABLE, given)
    assert release.main(["--uncommitted", f"--output={tmp_path}"]) == 1
    assert VARIABLE in capsys.readouterr().err
    assert (tmp_path / "kept").exists()


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
