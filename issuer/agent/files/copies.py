"""Copies of a set's files, for readers that can't follow its symlinks or look through a mount of one file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from issuer.agent.errors import DiskRefused, UnsafePath
from issuer.agent.files.folders import opened_folder, user_name
from issuer.agent.files.mounts import is_pinned, sees_all
from issuer.agent.files.regular import MAX_FILE, open_regular
from issuer.agent.files.writing import (
    WHILE_WRITTEN,
    FileOwner,
    NewFile,
    attributes_of,
    disk_errors,
    dress,
    is_dressed,
    replace,
    write_all,
)


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
        mounted = is_pinned(path, file.owner.uid) if _is_there(folder, path.name) else None
        if mounted is None:
            attributes = attributes_of(folder, path.name)
            replace(folder, path.name, NewFile(file.data, file.mode, file.owner, attributes))
            return CopyReport(
                path, written=True, warning=None if os.geteuid() or sees_all() else _unseen(path)
            )
        _overwrite(folder, path, file)
    return CopyReport(path, written=True, warning=_in_place(path, "was written in place", mounted))


def check_copy(path: Path, mode: int, owner: FileOwner) -> str | None:
    """Try the place of a copy without writing; returns what a reader of it has to know, if anything.

    Raises UnsafePath and DiskRefused, as `copy_file` would.
    """
    there = next(one for one in path.parents if one.exists())  # what is missing of it is made later
    with opened_folder(there) as folder, disk_errors(f'"{path}"'):
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
            raise DiskRefused(
                f'"{path}": this user may not write to the folder "{there}", or its disk is read-only'
            )
        if there != path.parent or not _is_there(folder, path.name):
            return None
        mounted = is_pinned(path, owner.uid)
        if mounted is None:
            return None if sees_all() else _unseen(path)
        fd = open_regular(path.name, folder)
        try:
            _need_private(path, os.fstat(fd), NewFile(b"", mode, owner))
        finally:
            os.close(fd)
    return _in_place(path, "is written in place", mounted)


def _unseen(path: Path) -> str:
    if os.geteuid():
        return (
            f'Whether a container of another user mounts "{path}" alone can\'t be seen, and such a container '
            "would keep the old file: mount the folder instead of the file"
        )
    return (
        f'Whether a container mounts "{path}" alone can\'t be seen, and such a container would keep the old '
        "file: allow the agent CAP_SYS_PTRACE, as the unit of vault-issuer agent install does"
    )


def _in_place(path: Path, what: str, mounted: str) -> str:
    return (
        f'"{path}" {what}, because {mounted}: who reads at that moment can see half of it. Mount the folder '
        "instead of the file"
    )


def _overwrite(folder: int, path: Path, file: NewFile) -> None:
    """Write over a file: longer or shorter, it is cut at its end only after the new bytes are there.

    Raises UnsafePath if others could read or write what is written, by another name or an open descriptor.
    """
    fd = open_regular(path.name, folder, os.O_WRONLY)
    try:
        _need_private(path, os.fstat(fd), file)
        # The owner's alone before the key is in it.
        os.fchmod(fd, WHILE_WRITTEN)
        write_all(fd, file.data)
        os.ftruncate(fd, len(file.data))
        dress(fd, file)
        os.fsync(fd)
    finally:
        os.close(fd)


def _need_private(path: Path, now: os.stat_result, file: NewFile) -> None:
    make = f"make the file anew, with mode {file.mode:04o}, and start again what mounts it"
    if now.st_uid not in (os.geteuid(), file.owner.uid):
        why = f"it belongs to {user_name(now.st_uid)}, who may have it open"
    elif now.st_nlink != 1:
        why = "it has other names (hard links)"
    elif not file.mode & stat.S_IROTH and now.st_mode & ~file.mode & 0o077:
        why = f"its mode is {stat.S_IMODE(now.st_mode):04o}, so that others may have it open"
    else:
        return
    raise UnsafePath(f'"{path}" is mounted alone and can\'t be written in place: {why}; {make}')


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _holds(folder: int, name: str, file: NewFile) -> bool:
    """Return True if a file has the bytes, the mode and the owner that are wanted."""
    try:
        fd = open_regular(name, folder)
    except OSError:
        return False
    with os.fdopen(fd, "rb") as found:
        return is_dressed(os.fstat(fd), file) and found.read(MAX_FILE) == file.data
