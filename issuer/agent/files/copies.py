"""Copies of a set's files, for readers that can't follow its symlinks or look through a mount of one file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.agent.files.folders import opened_folder
from issuer.agent.files.mounts import is_pinned
from issuer.agent.files.writing import (
    WHILE_WRITTEN,
    NewFile,
    attributes_of,
    disk_errors,
    dress,
    replace,
    write_all,
)

_MAX_FILE: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class CopyReport:
    """A copy that was looked at: whether it was written, and what a reader of it has to know, if anything."""

    path: Path
    written: bool
    warning: str | None = None


def copy_file(path: Path, file: NewFile) -> CopyReport:
    """Have `path` hold the file's bytes; a file that is mounted alone is written in place, and that is said.

    Nothing is written if it holds them already, so that a run after a crash finishes what was begun. Raises
    UnsafePath and DiskRefused.
    """
    with opened_folder(path.parent, create=True) as folder, disk_errors(f'"{path}"'):
        if _holds(folder, path.name, file):
            return CopyReport(path, written=False)
        mounted = is_pinned(path) if _is_there(folder, path.name) else None
        if mounted is None:
            attributes = attributes_of(folder, path.name)
            replace(folder, path.name, NewFile(file.data, file.mode, file.owner, attributes))
            return CopyReport(path, written=True)
        _overwrite(folder, path.name, file)
    return CopyReport(
        path,
        written=True,
        warning=f'"{path}" was written in place, because {mounted}: who reads at that moment can see half of '
        "it. Mount the folder instead of the file",
    )


def _overwrite(folder: int, name: str, file: NewFile) -> None:
    """Write over a file: longer or shorter, it is cut at its end only after the new bytes are there."""
    fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        # The owner's alone before the key is in it.
        os.fchmod(fd, WHILE_WRITTEN)
        write_all(fd, file.data)
        os.ftruncate(fd, len(file.data))
        dress(fd, file)
        os.fsync(fd)
    finally:
        os.close(fd)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _holds(folder: int, name: str, file: NewFile) -> bool:
    """Return True if a file has the bytes, the mode and the owner that are wanted."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as found:
        now = os.fstat(fd)
        is_dressed = (
            stat.S_IMODE(now.st_mode) == file.mode
            and file.owner.uid in (None, now.st_uid)
            and file.owner.gid in (None, now.st_gid)
        )
        return is_dressed and found.read(_MAX_FILE) == file.data
