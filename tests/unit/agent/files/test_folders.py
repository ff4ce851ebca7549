"""Folders on the way to a file: whose symlinks are followed, and what is refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from issuer.agent.errors import DiskRefused, UnsafePath
from issuer.agent.files.folders import opened_folder
from tests.unit.agent.acl import GROUP, USER, let_write

SOMEBODY = 12345


def inode(path: Path, *, create: bool = False) -> int:
    with opened_folder(path, create=create) as fd:
        return os.fstat(fd).st_ino


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    assert inode(tmp_path / "a" / "b", create=True) == (tmp_path / "a" / "b").stat().st_ino
    with pytest.raises(DiskRefused, match='"c", on the way to '):
        inode(tmp_path / "c" / "d")


def test_process_without_free_descriptors_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(DiskRefused, match="Too many open files"):
        inode(tmp_path)


def test_own_symlinks_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "relative").symlink_to("../real/./inner")
    inner = (tmp_path / "real" / "inner").stat().st_ino
    assert inode(tmp_path / "absolute" / "inner") == inner
    assert inode(tmp_path / "absolute" / "relative") == inner


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a symlink to another user")
@pytest.mark.parametrize("of", ["link", "folder"])
def test_symlink_of_another_user_is_refused(tmp_path: Path, of: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "tls").symlink_to("/etc")
    os.chown(tmp_path / "home" / ("tls" if of == "link" else ""), SOMEBODY, SOMEBODY, follow_symlinks=False)
    with pytest.raises(UnsafePath, match=f'symlink "tls", which user {SOMEBODY} may change'):
        inode(tmp_path / "home" / "tls")


def test_loop_of_symlinks_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UnsafePath, match="more than 40 symlinks"):
        inode(tmp_path / "a" / "x")


@pytest.mark.parametrize("path", ["relative/path", "/tmp/../etc"])
def test_path_has_to_be_written_in_full(path: str) -> None:
    with pytest.raises(UnsafePath, match="in full"):
        inode(Path(path))


def test_file_on_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnsafePath, match=r'"file" of .* is not a folder'):
        inode(tmp_path / "file" / "x", create=True)


def test_folder_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UnsafePath, match="Everybody may write"):
        inode(tmp_path / "open" / "x", create=True)
    (tmp_path / "open").chmod(0o1777)
    inode(tmp_path / "open" / "x", create=True)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = descriptors()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for path in (tmp_path / "x" / "y", tmp_path / "a"):
        try:
            inode(path, create=True)
        except UnsafePath:
            continue
    assert descriptors() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="of root alone another's rights are asked")
@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="access lists of Linux")
def test_root_is_refused_a_folder_that_an_access_list_opens(tmp_path: Path) -> None:
    inner = tmp_path / "shared" / "inner"
    inner.mkdir(parents=True)
    let_write(inner.parent, USER, SOMEBODY)
    with opened_folder(inner, owners=frozenset({SOMEBODY})):
        pass
    with (
        pytest.raises(UnsafePath, match=f"By its access list user {SOMEBODY} may write"),
        opened_folder(inner, owners=frozenset()),
    ):
        pass
    let_write(inner.parent, GROUP, SOMEBODY)
    with pytest.raises(UnsafePath, match=f"Group {SOMEBODY}"), opened_folder(inner, owners=frozenset()):
        pass
