"""Files for secrets are reserved on the disk before the secrets are made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.initialising.targets import ReservedFile, share_files
from issuer.vault.errors import Unreachable
from tests.unit.pki.new_server import first_hour


def full_disk(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the disk be full after some bytes in all."""
    left = after

    def pwrite(handle: int, content: bytes, at: int) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        wrote = min(left, len(content))
        left -= wrote
        return os.write(handle, content[:wrote])

    monkeypatch.setattr("issuer.pki.initialising.targets.os.pwrite", pwrite)


@pytest.mark.parametrize("after", [0, 100, 8192, 20_000])
def test_a_full_disk_is_found_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    full_disk(monkeypatch, after)
    with pytest.raises(BadInput, match=r"No space left on device\. Nothing was done"):
        share_files(tmp_path / "shares", ["share-1", "share-2", "share-3"])
    assert [*(tmp_path / "shares").iterdir()] == []


def test_what_an_interrupted_run_reserved_is_taken_again(tmp_path: Path) -> None:
    first = ReservedFile.make(tmp_path / "share-1")
    with pytest.raises(BadInput, match="in use by another pki init"):
        ReservedFile.make(tmp_path / "share-1")
    os.close(first._handle)
    again = ReservedFile.make(tmp_path / "share-1")
    again.write(b"ab12\n")
    assert (tmp_path / "share-1").read_bytes() == b"ab12\n"
    again.discard()
    with pytest.raises(BadInput, match="never overwritten"):
        ReservedFile.make(tmp_path / "share-1")
    assert (tmp_path / "share-1").read_bytes() == b"ab12\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "share-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="can't be made"):
        ReservedFile.make(tmp_path / "share-1")
    assert not (tmp_path / "elsewhere").exists()


def test_places_for_shares_and_login_are_checked_before_the_server_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = first_hour(tmp_path, monkeypatch)
    hour.server.fails("GET sys/seal-status", Unreachable("no connection", sent=False), token="")
    (tmp_path / "work" / ".git").mkdir(parents=True)
    (tmp_path / "open").mkdir(mode=0o755)
    for shares, said in (
        ("work/shares", "git work tree"),
        ("open", "chmod 700"),
        ("pki.yaml", "not a folder"),
        ("missing/shares", "there is no folder"),
    ):
        assert hour.init(shares=shares) == 1
        assert said in hour.output
        assert "no connection" not in hour.output


def test_a_server_that_is_down_at_the_first_call_is_said_to_be_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = first_hour(tmp_path, monkeypatch)
    hour.server.fails("GET sys/seal-status", Unreachable("no connection", sent=False), token="")
    assert hour.init() == 1
    assert "Nothing was changed; run the same again" in hour.output
    assert "What was done" not in hour.output
    assert not (tmp_path / "shares").exists()


def test_a_namespace_is_refused_before_the_server_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = first_hour(tmp_path, monkeypatch)
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    assert hour.init() == 1
    assert "VAULT_NAMESPACE is set, and a server is initialised as a whole; unset it" in hour.output
    assert not (tmp_path / "shares").exists()
