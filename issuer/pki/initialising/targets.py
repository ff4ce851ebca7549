"""Files for secrets: made, filled and flushed before Vault is asked for what they will hold.

A full disk, a folder that others may read and a git work tree are found then, not when the only copy of a
share has nowhere to go.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from issuer.manifests.errors import BadInput
from issuer.pki.errors import PkiError

FOLDER: Final = 0o700
FILE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MARK: Final = b"Reserved by vault-issuer pki init; holds nothing\n"
_SIZE: Final = 8192
"""Bytes that are reserved: a share for an RSA key of 16384 bits takes 2.3 KiB."""
_RESERVED: Final = _MARK + b"\n" * (_SIZE - len(_MARK))


class ReservedFile:
    """A private file on the disk that waits for its content. Its holder keeps others out by a lock."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self.is_written = False

    @classmethod
    def make(cls, path: Path) -> ReservedFile:
        """Reserve a file that isn't there, or that an interrupted run reserved. Raises BadInput."""
        check_outside_git(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(path, flags, FILE)
        except OSError as error:
            raise BadInput(f"{path} can't be made: {error.strerror}. Nothing was done") from error
        made = cls(path, handle)
        try:
            made._reserve()
        except BadInput:
            os.close(handle)
            raise
        except OSError as error:
            made.discard()
            raise BadInput(f"{path} can't be written: {error.strerror}. Nothing was done") from error
        return made

    def _reserve(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"{self.path} is in use by another pki init") from error
        state = os.fstat(self._handle)
        if state.st_size and os.pread(self._handle, len(_MARK), 0) != _MARK:
            raise BadInput(f"{self.path} exists, and is never overwritten; name another, or move it away")
        if state.st_mode & _OTHERS or state.st_uid != os.geteuid():
            raise BadInput(
                f"Others may read {self.path} whatever its mode is set to; name a file on another disk, or "
                "mount this one with umask=077"
            )
        _write_all(self._handle, _RESERVED)
        os.fsync(self._handle)
        _flush(self.path.parent)

    def write(self, content: bytes) -> None:
        """Replace what is reserved by the content, and flush it to the disk. Raises PkiError."""
        try:
            # In place: the blocks are there. Shorter content leaves empty lines if the process ends here.
            _write_all(self._handle, content)
            os.fsync(self._handle)
            os.ftruncate(self._handle, len(content))
            os.fsync(self._handle)
        except OSError as error:
            raise PkiError(f"{self.path} can't be written: {error.strerror}") from error
        self.is_written = True
        os.close(self._handle)

    def discard(self) -> None:
        """Remove it, unless it was written."""
        if not self.is_written:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)


def check_targets(folder: Path | None, file: Path) -> None:
    """Raise BadInput for a folder of shares or a file that can't be used, before a server is asked.

    Whether a file exists is left to its reservation, since that of a Vault initialised earlier does.
    """
    for path in (file,) if folder is None else (file, folder):
        check_outside_git(path)
        if not path.parent.is_dir():
            raise BadInput(f"{path} can't be made: there is no folder {path.parent}. Nothing was done")
    if folder is not None and folder.exists():
        _check_private(folder)


def share_files(folder: Path, names: Sequence[str]) -> list[ReservedFile]:
    """Reserve a file for each share in a folder that only its owner may enter. Raises BadInput."""
    check_outside_git(folder)
    try:
        if not folder.exists():
            folder.mkdir(mode=FOLDER)
            _flush(folder.parent)
    except OSError as error:
        raise BadInput(f"{folder} can't be made: {error.strerror}. Nothing was done") from error
    _check_private(folder)
    with ExitStack() as undo:
        made = [_undone(undo, ReservedFile.make(folder / name)) for name in names]
        undo.pop_all()
    return made


def _check_private(folder: Path) -> None:
    state = folder.stat()
    if not stat.S_ISDIR(state.st_mode):
        raise BadInput(f"{folder} is not a folder")
    if state.st_uid != os.geteuid() or state.st_mode & _OTHERS:
        raise BadInput(
            f"Others may enter {folder}, where shares would lie; first run: chmod 700 {folder} "
            "(or name another)"
        )


def _undone(undo: ExitStack, made: ReservedFile) -> ReservedFile:
    undo.callback(made.discard)
    return made


def check_outside_git(path: Path) -> None:
    """Raise BadInput for a path in a git work tree: what lies there is committed one day."""
    place = path.absolute().parent.resolve() / path.name
    for folder in (place, *place.parents):
        if (folder / ".git").exists():
            raise BadInput(f"{path} is in the git work tree {folder}; name a path outside of it")


def _write_all(handle: int, content: bytes) -> None:
    at = 0
    while at < len(content):
        at += os.pwrite(handle, content[at:], at)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
