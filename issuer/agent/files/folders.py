"""Folders opened component by component, so that no other user's symlink leads a write elsewhere."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from issuer.agent.errors import DiskRefused, UnsafePath
from issuer.agent.files.access_lists import listed_writers

MAX_SYMLINKS: Final = 40
"""The most symlinks in one path, as in Linux (path_resolution(7))."""
# A folder that may only be searched can be passed through by O_PATH, which macOS doesn't have.
_THROUGH: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LAST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened_folder(
    path: Path, *, create: bool = False, mode: int = 0o755, owners: frozenset[int] | None = None
) -> Iterator[int]:
    """Give a descriptor of the folder `path`, made with its parents if `create`.

    A symlink on the way is followed only if it and the folder it lies in belong to root or to this process'
    user. Raises UnsafePath for any other, for `..` and for a folder that everybody may write and that isn't
    sticky; DiskRefused if it isn't there or can't be made. If `owners` is given, root is refused each folder
    that another than root and these users may write, too.
    """
    fd = _walk(path, create, mode, owners)
    try:
        yield fd
    finally:
        os.close(fd)


def _walk(path: Path, create: bool, mode: int, owners: frozenset[int] | None) -> int:
    if not path.is_absolute() or ".." in path.parts:
        raise UnsafePath(f'"{path}" is not an absolute path without "..": write it in full')
    left = deque(path.parts[1:])
    trail: list[int] = []  # kept open for the ".." of a symlink's target
    links = 0
    try:
        trail.append(os.open("/", _LAST))
        while left:
            name = left.popleft()
            if name == "..":
                _back(trail, max(len(trail) - 1, 1))
            elif (target := _link(trail[-1], name, path)) is None:
                trail.append(_step(trail[-1], name, path, create, mode))
                if owners is not None and os.geteuid() == 0:
                    _need_owners(trail[-1], name, path, owners)
            else:
                links += 1
                if links > MAX_SYMLINKS:
                    raise UnsafePath(f'"{path}" leads through more than {MAX_SYMLINKS} symlinks')
                if target.startswith("/"):
                    _back(trail, 1)
                left.extendleft(reversed([part for part in target.split("/") if part not in ("", ".")]))
        # Opened anew for reading: what was passed through may only have been searched.
        return os.open(".", _LAST, dir_fd=trail[-1])
    except OSError as error:
        raise _refused(path, path.name, error) from error
    finally:
        _back(trail, 0)


def _back(trail: list[int], length: int) -> None:
    """Close the folders of the trail beyond the first `length`."""
    while len(trail) > length:
        os.close(trail.pop())


def _link(parent: int, name: str, path: Path) -> str | None:
    """Return a symlink's target, or None if `name` is none. Raises UnsafePath if others may change it."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, name, error) from error
    if not stat.S_ISLNK(found.st_mode):
        return None
    for owner in (found.st_uid, os.fstat(parent).st_uid):
        if owner not in (0, os.geteuid()):
            raise UnsafePath(
                f'"{path}" leads through the symlink "{name}", which {user_name(owner)} may change: write '
                "the path that it leads to, or have the symlink belong to root"
            )
    return os.readlink(name, dir_fd=parent)


def _step(parent: int, name: str, path: Path, create: bool, mode: int) -> int:
    try:
        if create:
            with suppress(FileExistsError):
                make_folder(name, mode, parent)
                with suppress(OSError):  # a descriptor of O_PATH has nothing to bring to the disk
                    os.fsync(parent)
        fd = os.open(name, _THROUGH, dir_fd=parent)
    except OSError as error:
        raise _refused(path, name, error) from error
    found = os.fstat(fd)
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        os.close(fd)
        raise UnsafePath(
            f'Everybody may write to the folder "{name}" of "{path}", and so put other files there: '
            f'run "chmod o-w" on it'
        )
    return fd


def make_folder(name: str, mode: int, parent: int) -> None:
    """Make a folder with that very mode, whatever the umask: readers have to come through. Raises OSError."""
    os.mkdir(name, mode, dir_fd=parent)
    fd = os.open(name, _LAST, dir_fd=parent)
    try:
        if os.fstat(fd).st_uid == os.geteuid():  # not another that was put there meanwhile
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _need_owners(folder: int, name: str, path: Path, owners: frozenset[int]) -> None:
    """Raise UnsafePath if another than root and `owners` may write the folder, and so forge what is in it."""
    found = os.fstat(folder)
    if found.st_uid not in {0, *owners}:
        user = user_name(found.st_uid)
        raise UnsafePath(
            f'"{name}" of "{path}" belongs to {user}, who could put other files there. If the agent is that '
            f"user's, run it as that user: sudo -u {_login_name(found.st_uid)} vault-issuer agent ...; if "
            'the files are for that user, write "owner" beside them; otherwise run "chown root" on it'
        )
    if not found.st_mode & stat.S_IWGRP or found.st_mode & stat.S_ISVTX:
        return
    # By /proc, as a descriptor of O_PATH is for no attributes.
    listed = listed_writers(f"/proc/self/fd/{folder}")
    writers = [f"Group {group}" for group in sorted({found.st_gid, *listed.groups} - {0})]
    writers += [f"By its access list {user_name(user)}" for user in sorted(listed.users - {0, *owners})]
    if writers:
        raise UnsafePath(
            f'{writers[0]} may write to the folder "{name}" of "{path}", and so put other files there: run '
            '"chmod g-w" on it'
        )


def _refused(path: Path, name: str, error: OSError) -> UnsafePath | DiskRefused:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return UnsafePath(f'"{name}" of "{path}" is not a folder')
    what = f'"{path}"' if name == path.name else f'"{name}", on the way to "{path}",'
    look = f': "namei -l {path}" shows who may' if error.errno == errno.EACCES else ""
    return DiskRefused(f"The folder {what} can't be opened or made ({error.strerror}){look}")


def user_name(uid: int) -> str:
    """Return `user "name"` for people, by number if the user has no name here."""
    with suppress(KeyError):
        return f'user "{pwd.getpwuid(uid).pw_name}"'
    return f"user {uid}"


def _login_name(uid: int) -> str:
    """Return a user as sudo(8) takes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"
