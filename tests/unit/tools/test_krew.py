"""krew's manifest: made from the version and the archives, and without a host that nobody named."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from issuer import __version__
from tools.krew import BadArchive, main, manifest
from tools.repository import VARIABLE
from tools.zipapp import Target

URL = "https://git.example.com/downloads/"
HOME = "https://git.example.com/platform/vault-issuer"


def archive(folder: Path, arch: str = "amd64", version: str = __version__, python: str = "3.11") -> Path:
    """A file with an archive's name."""
    path = folder / Target(version, python, arch).archive
    path.write_bytes(arch.encode())
    return path


def test_it_has_what_krew_asks_of_a_plugin(tmp_path: Path) -> None:
    archives = [archive(tmp_path), archive(tmp_path, "arm64")]
    made = manifest(archives, URL, HOME)
    assert (made["apiVersion"], made["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert re.fullmatch(r"[\w-]+", made["metadata"]["name"])
    spec = made["spec"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", spec["version"])
    assert 0 < len(spec["shortDescription"]) < 50
    assert "Python 3.11 as python3" in spec["caveats"]
    assert [one["selector"]["matchLabels"] for one in spec["platforms"]] == [
        {"os": "linux", "arch": "amd64"},
        {"os": "linux", "arch": "arm64"},
    ]
    first = spec["platforms"][0]
    assert first["uri"] == f"{URL}{archives[0].name}"
    assert first["sha256"] == sha256(b"amd64").hexdigest()
    assert first["bin"] == "kubectl-vault_issuer"


def test_archives_that_no_manifest_can_have_are_refused(tmp_path: Path) -> None:
    good = archive(tmp_path)
    with pytest.raises(BadArchive, match="https://"):
        manifest([good], "http://git.example.com", HOME)
    with pytest.raises(BadArchive, match="one architecture"):
        manifest([good, archive(tmp_path, python="3.13")], URL, HOME)
    with pytest.raises(BadArchive, match="build it again"):
        manifest([archive(tmp_path, version="0.0.9")], URL, HOME)
    with pytest.raises(BadArchive, match="no archive"):
        manifest([tmp_path / "other.tar.gz"], URL, HOME)


def test_it_is_written_with_the_repository_as_its_homepage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, one = tmp_path / "plugin.yaml", archive(tmp_path)
    words = ["--url", URL, "--output", str(output), str(one)]
    monkeypatch.setenv(VARIABLE, HOME)
    assert main(words) == 0
    assert yaml.safe_load(output.read_text())["spec"]["homepage"] == HOME
    monkeypatch.setattr("tools.krew.repository", lambda: None)
    assert main(words) == 2
    assert VARIABLE in capsys.readouterr().err
