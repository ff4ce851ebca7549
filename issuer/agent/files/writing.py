"""One file, from its first byte to the disk; never readable more widely than at its end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from issuer.agent.errors import DiskRefused
from issuer.agent.files.folders import opened_folder
from issuer.agent.files.regular import open_regular

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIAL: Final = "room"
WHILE_WRITTEN: Final = 0o600
"""The mode of each file until it has its owner: a key is never readable by others on the way."""
_DISK: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only, or the service may not write there (after another folder "
    "run vault-issuer agent install again)",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.EIO: "the disk has an error",
}
_OTHER_FOLDER: Final = "name a folder on another one, as FAT, exFAT and many network shares keep none"


class StepRefused(OSError):
    """Raised where a file system refuses one step; its text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class FileOwner:
    """User and group of a file, by number; None leaves what the file system gives."""

    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True)
class NewFile:
    """The bytes, mode and owner of a file to be written, and its extended attributes."""

    data: bytes = field(repr=False)
    mode: int
    owner: FileOwner = FileOwner()
    attributes: Mapping[str, bytes] = field(default_factory=dict)


def create(folder: int, name: str, file: NewFile) -> None:
    """Write a file that isn't there yet into the folder, and bring it to the disk.

    Raises OSError; what was begun is left to the caller to remove.
    """
    fd = os.open(name, _NEW, WHILE_WRITTEN, dir_fd=folder)
    try:
        write_all(fd, file.data)
        dress(fd, file)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(folder: int, name: str, file: NewFile) -> None:
    """Write a file beside `name`, then put it there in one step. Raises OSError; nothing is left behind."""
    temporary = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    try:
        create(folder, temporary, file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def write_file(path: Path, data: bytes, mode: int, what: str = "", *, create: bool = True) -> None:
    """Put a file at `path` in one step; `what` names it in errors, by default its path.

    With `create` its folder is made if it isn't there, closed to others if the file is. Raises UnsafePath and
    DiskRefused.
    """
    folder_mode = 0o755 if mode & 0o077 else 0o700
    with (
        opened_folder(path.parent, create=create, mode=folder_mode) as folder,
        disk_errors(what or f'"{path}"'),
    ):
        replace(folder, path.name, NewFile(data, mode))


def try_writing(folder: int, size: int, files: Iterable[NewFile]) -> None:
    """Write `size` bytes, each mode and owner of `files`, and a symlink; remove all. Raises OSError."""
    try:
        replace(folder, _TRIAL, NewFile(bytes(size), WHILE_WRITTEN))
        for mode, owner in dict.fromkeys((one.mode, one.owner) for one in files):
            replace(folder, _TRIAL, NewFile(b"", mode, owner))
        os.unlink(_TRIAL, dir_fd=folder)
        make_symlink(_TRIAL, _TRIAL, folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(_TRIAL, dir_fd=folder)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`; a disk takes less than a file's whole when it is nearly full."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def dress(fd: int, file: NewFile) -> None:
    """Give an open file its extended attributes, owner and mode: the mode last, as it may be wider."""
    for name, value in file.attributes.items():
        # A file system without them, or a label that this process may not set: the file is right without.
        with suppress(OSError):
            os.setxattr(fd, name, value)
    if file.owner.uid is not None or file.owner.gid is not None:
        with _refused_as(
            f"they can't be given to {_described(file.owner)}: only root may give files away, and to a group "
            "only root and its members. Run the agent as root or as that user, or correct owner and group"
        ):
            os.fchown(fd, _or_same(file.owner.uid), _or_same(file.owner.gid))
    with _refused_as(f"the file system doesn't take mode {file.mode:04o}: {_OTHER_FOLDER}"):
        os.fchmod(fd, file.mode)


def is_dressed(now: os.stat_result, file: NewFile) -> bool:
    """Return True if a file has the mode and the owner that are wanted."""
    return (
        stat.S_IMODE(now.st_mode) == file.mode
        and file.owner.uid in (None, now.st_uid)
        and file.owner.gid in (None, now.st_gid)
    )


def make_symlink(target: str, name: str, folder: int) -> None:
    """Make a symlink in an open folder. Raises OSError, also where the file system knows none."""
    with _refused_as(f"the file system takes no symlinks: {_OTHER_FOLDER}, and have copies written here"):
        os.symlink(target, name, dir_fd=folder)


def attributes_of(folder: int, name: str) -> dict[str, bytes]:
    """Return the extended attributes of a file, none where there is no file or no such thing."""
    if not hasattr(os, "listxattr"):  # macOS
        return {}
    try:
        fd = open_regular(name, folder)
    except OSError:
        return {}
    try:
        # An access list would open the new file before its mode is set.
        names = [name for name in os.listxattr(fd) if not name.startswith("system.posix_acl")]
        return {name: os.getxattr(fd, name) for name in names}
    except OSError:
        return {}
    finally:
        os.close(fd)


@contextmanager
def _refused_as(text: str) -> Iterator[None]:
    """Tell a refusal by its cause; what else can go wrong, as with a full disk, stays as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise StepRefused(error.errno, text) from error
        raise


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn an OSError into DiskRefused that names `what` and what stays as it was."""
    try:
        yield
    except OSError as error:
        said = error.strerror or str(error)
        why = said if isinstance(error, StepRefused) else _DISK.get(error.errno or 0, said.lower())
        raise DiskRefused(f"{what} can't be written; the old ones are kept: {why}") from error


def _described(owner: FileOwner) -> str:
    ids = (("user", owner.uid), ("group", owner.gid))
    return " and ".join(f"{what} {number}" for what, number in ids if number is not None)


def _or_same(number: int | None) -> int:
    return -1 if number is None else number
