"""Access lists for tests, set as setfacl(1) does, which not every machine has."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

_NOBODY_IN_PARTICULAR = 0xFFFFFFFF
USER, GROUP = 0x02, 0x08


def let_write(path: Path, tag: int, number: int, *, mask: int = 7) -> None:
    """Let a user or group read and write `path`, as far as `mask` allows."""
    mode = path.stat().st_mode
    entries = (
        (0x01, mode >> 6 & 7, _NOBODY_IN_PARTICULAR),
        *([(tag, 7, number)] if tag == USER else []),
        (0x04, mode >> 3 & 5, _NOBODY_IN_PARTICULAR),
        *([(tag, 7, number)] if tag == GROUP else []),
        (0x10, mask, _NOBODY_IN_PARTICULAR),
        (0x20, mode & 5, _NOBODY_IN_PARTICULAR),
    )
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", value)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system has no access lists")
