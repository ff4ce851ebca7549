"""Files that are bind mounts, here or in a container: a renamed file never appears there.

A bind mount of a single file holds on to the file itself, not to its name (moby#22627). /proc/*/mountinfo
tells, for the processes that this user may look at (proc(5)). Anybody may mount files in a user namespace of
his own, so a mount counts only where somebody made it who decides over the file anyway.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_GET_USER_NAMESPACE: Final = 0xB701  # ioctl_ns(2): NS_GET_USERNS, NS_GET_OWNER_UID
_GET_OWNER: Final = 0xB704
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: the device's number, the path within its file system, where it is seen, and its kind."""

    device: str
    root: str
    point: str
    kind: str = ""


def mounts_of(text: str) -> tuple[Mount, ...]:
    """Return the mounts in the text of a `mountinfo`."""
    found = []
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) > 4:
            kind = line.partition(" - ")[2].partition(" ")[0]
            found.append(Mount(fields[2], _plain(fields[3]), _plain(fields[4]), kind))
    return tuple(found)


def pinned_by(path: Path, here: Iterable[Mount], there: Iterable[Mount]) -> Mount | None:
    """Return the mount among `there` that is `path` alone and not a folder above it, if any.

    `here` are the mounts of this process, by which `path` is found in its file system.
    """
    place = _place(path, here)
    if place is None:
        return None
    device, root = place
    for mount in there:
        if mount.device == device and mount.root == root and mount.root != "/":
            return mount
    return None


def is_pinned(path: Path, owner: int | None = None, proc: Path = PROC) -> str | None:
    """Return a sentence's part that says where the file `path` is mounted by itself; None if nowhere.

    Mounts made by root, this process' user and the file's `owner` count.
    """
    makers = {0, os.geteuid(), owner}
    here = _read(proc / "self" / "mountinfo")
    for pid, mounts in _namespaces(proc, makers):
        if mount := pinned_by(path, here, mounts):
            return f'it is mounted alone as "{mount.point}" (seen by process {pid})'
    return None


def lies_in_memory(path: Path, proc: Path = PROC) -> bool:
    """Return True if a file is in a file system that is empty after each boot, as /run is."""
    found = _mount_of(Path(os.path.realpath(path)), _read(proc / "self" / "mountinfo"))
    return found is not None and found.kind in ("tmpfs", "ramfs")


def sees_all(proc: Path = PROC) -> bool:
    """Return False if some processes can't be looked into, as another user's, or without CAP_SYS_PTRACE."""
    if not proc.is_dir():
        return True
    for folder in proc.iterdir():
        if (
            folder.name.isdecimal() and folder.name != "1"
        ):  # a container's first can have more rights than root
            try:
                (folder / "ns" / "mnt").readlink()
            except PermissionError:
                return False
            except OSError:  # it has ended
                continue
    return True


def _namespaces(proc: Path, makers: Set[int | None]) -> Iterator[tuple[str, tuple[Mount, ...]]]:
    """Give the mounts of each mount namespace of `makers` once, with the process that they were read of."""
    seen: set[str] = set()
    if not proc.is_dir():  # macOS
        return
    own = str((proc / "self" / "ns" / "mnt").readlink())
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError):
            namespace = str((folder / "ns" / "mnt").readlink())
            if namespace in seen:
                continue
            seen.add(namespace)
            if namespace == own or _maker(folder / "ns" / "mnt", proc) in makers:
                yield folder.name, _read(folder / "mountinfo")


def _maker(namespace: Path, proc: Path) -> int:
    """Return the user that could make mounts in a mount namespace: 0 in one of this process' user namespace.

    The owner of a process tells less: a process can have /proc show root's. Raises OSError.
    """
    fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        users = fcntl.ioctl(fd, _GET_USER_NAMESPACE)
        try:
            if os.path.samestat(os.fstat(users), (proc / "self" / "ns" / "user").stat()):
                return 0
            return int(struct.unpack("I", fcntl.ioctl(users, _GET_OWNER, bytes(4)))[0])
        finally:
            os.close(users)
    finally:
        os.close(fd)


def _mount_of(path: Path, here: Iterable[Mount]) -> Mount | None:
    best: Mount | None = None
    for mount in here:
        # The last of several mounts at one place is on top.
        if path.is_relative_to(mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _place(path: Path, here: Iterable[Mount]) -> tuple[str, str] | None:
    if (best := _mount_of(path, here)) is None:
        return None
    below = path.relative_to(best.point).as_posix()
    return best.device, best.root if below == "." else f"{best.root.rstrip('/')}/{below}"


def _read(path: Path) -> tuple[Mount, ...]:
    try:
        return mounts_of(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        return ()


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
