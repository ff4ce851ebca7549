"""Files opened as what they are: no symlink is followed, and no FIFO or device is waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from issuer.agent.files.folders import opened_folder

MAX_FILE: Final = 4 << 20
"""Bytes of the largest file that is read back: a bundle of some thousand CAs."""


def open_regular(name: str, folder: int, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of the file `name` of an open folder. Raises OSError, ELOOP for any other kind."""
    fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ELOOP, "not a regular file", name)
    return fd


def read_regular(path: Path) -> bytes:
    """Return the bytes of a file, at most `MAX_FILE`. Raises OSError, UnsafePath and DiskRefused."""
    with opened_folder(path.parent) as folder, os.fdopen(open_regular(path.name, folder), "rb") as file:
        return file.read(MAX_FILE)
