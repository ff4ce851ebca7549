"""Files that nobody but root and this process' user may write, nor put another in their place."""

from __future__ import annotations

import os
import stat
from collections.abc import Set
from pathlib import Path

from issuer.agent.files.access_lists import listed_writers
from issuer.agent.files.folders import MAX_SYMLINKS, user_name


def who_may_write(path: Path, user: int | None = None, group: int | None = None) -> str | None:
    """Return who else could change `path` or a folder on its way, and the change to make; None if nobody.

    `user` and `group` may, too.

    A file that isn't there is judged by its folders.
    """
    return _judged(path, MAX_SYMLINKS, {0, os.geteuid(), user}, {0, os.getegid(), group})


def _judged(path: Path, links: int, users: Set[int | None], groups: Set[int | None]) -> str | None:
    if links == 0:
        return f"it leads through more than {MAX_SYMLINKS} symlinks"
    place = Path("/")
    for number, part in enumerate(path.parts[1:], start=2):
        above, place = place, place / part
        try:
            found = place.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            return f'"{place}": {error.strerror}'
        if found.st_uid not in users:
            return f'"{place}" belongs to {user_name(found.st_uid)}: change its owner (chown)'
        if stat.S_ISLNK(found.st_mode):
            return _judged(
                Path(os.path.normpath(above / place.readlink())).joinpath(*path.parts[number:]),
                links - 1,
                users,
                groups,
            )
        if (who := _others(place, found, users, groups)) is not None:
            return f'{who} may write "{place}": run "chmod go-w {place}"'
    return None


def _others(
    place: Path, found: os.stat_result, users: Set[int | None], groups: Set[int | None]
) -> str | None:
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return None  # there everybody may remove only what is his
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    if not found.st_mode & stat.S_IWGRP:
        return None
    if found.st_gid not in groups:
        return f"group {found.st_gid}"
    listed = listed_writers(place)
    for user in sorted(listed.users - users):
        return f"by its access list {user_name(user)}"
    for group in sorted(listed.groups - groups):
        return f"by its access list group {group}"
    return None
