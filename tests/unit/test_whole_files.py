"""Files written whole or not at all."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer.root.errors import RootRefusal
from issuer.root.folder import create_folder
from issuer.whole_files import write_whole


@contextmanager
def no_room() -> Iterator[None]:
    """A limit of the size of files stands for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("over", [True, False])
def test_without_room_nothing_is_left_but_what_was_there(tmp_path: Path, over: bool) -> None:
    old = tmp_path / "old"
    old.write_text("old")
    with no_room(), pytest.raises(OSError, match="File too large"):
        write_whole(old if over else tmp_path / "new", "x" * 100, over=over)
    assert [one.name for one in tmp_path.iterdir()] == ["old"]
    assert old.read_text() == "old"


def test_a_file_that_is_there_is_kept_unless_it_may_be_written_over(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    write_whole(file, "1", over=False)
    with pytest.raises(FileExistsError):
        write_whole(file, "2", over=False)
    write_whole(link, "3")
    assert (file.read_text(), link.is_symlink(), len(list(tmp_path.iterdir()))) == ("3", True, 2)


def test_a_file_keeps_its_mode_and_nobody_elses_symlink_is_followed(tmp_path: Path) -> None:
    file, planted, victim = tmp_path / "file", tmp_path / ".file.part", tmp_path / "victim"
    file.write_text("1")
    file.chmod(0o600)
    victim.write_text("kept")
    planted.symlink_to(victim)
    write_whole(file, "2")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("2", 0o600)
    assert (victim.read_text(), planted.is_symlink()) == ("kept", True)


def test_a_file_system_without_hard_links_takes_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As FAT on a USB stick has it."""

    def refuse(*_paths: object, **_options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_whole(tmp_path / "new", "1", over=False)
    assert (tmp_path / "new").read_text() == "1"


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "1")
    assert (os.read(reader, 9), pipe.is_fifo()) == (b"1", True)
    os.close(reader)


def test_a_root_without_room_leaves_no_folder(tmp_path: Path) -> None:
    with no_room(), pytest.raises(RootRefusal, match="What is on the disk is as before"):
        create_folder(tmp_path / "root", {"root.key": b"x" * 100})
    assert list(tmp_path.iterdir()) == []
