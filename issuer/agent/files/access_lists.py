"""Access lists (POSIX ACLs): who may write a file beside its owner, its group and everybody.

With a list, the group bits of the mode are its mask: they say that somebody may write, and not who. Source:
acl(5), and the kernel's `include/uapi/linux/posix_acl_xattr.h`.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Final

_ATTRIBUTE: Final = "system.posix_acl_access"
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")  # tag, permissions, user or group
_USER: Final = 0x02
_GROUP: Final = 0x08
_MASK: Final = 0x10
_WRITE: Final = 0o2


@dataclass(frozen=True, slots=True)
class ListedWriters:
    """The users and groups that an access list names and lets write."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()


def listed_writers(path: str | os.PathLike[str]) -> ListedWriters:
    """Return who may write `path` by its access list; none where there is no list, or no such thing."""
    if not hasattr(os, "getxattr"):  # macOS
        return ListedWriters()
    try:
        found = os.getxattr(path, _ATTRIBUTE)
    except OSError:
        return ListedWriters()
    return read_writers(found)


def read_writers(value: bytes) -> ListedWriters:
    """Return the users and groups that may write by the attribute's value."""
    body = value[_HEADER.size :]
    entries = list(_ENTRY.iter_unpack(body[: len(body) // _ENTRY.size * _ENTRY.size]))
    mask = next((may for tag, may, _ in entries if tag == _MASK), _WRITE)
    writers = [(tag, number) for tag, may, number in entries if may & mask & _WRITE]
    return ListedWriters(
        frozenset(number for tag, number in writers if tag == _USER),
        frozenset(number for tag, number in writers if tag == _GROUP),
    )
