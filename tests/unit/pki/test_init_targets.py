"""Files for secrets are reserved on the disk before the secrets are made."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.initialising.targets import ReservedFile, share_files


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
