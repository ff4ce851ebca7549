"""Users and groups of files: by name, by number, or as a rootless container sees them."""

from __future__ import annotations

import grp
import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.agent.errors import NoSuchOwner
from issuer.agent.files.writing import FileOwner

SUBUID: Final = Path("/etc/subuid")
SUBGID: Final = Path("/etc/subgid")
_CONTAINER: Final = re.compile(r"container:(?:([A-Za-z_][A-Za-z0-9_.-]*):)?(\d{1,9})(?::(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class SubordinateIds:
    """A user's IDs outside a rootless container: its own, and the ranges (first, count) of subuid(5)."""

    own: int
    ranges: tuple[tuple[int, int], ...]

    def outside(self, inside: int, *, keep_id: bool = False) -> int:
        """Return the ID outside of what a container calls `inside`.

        By default the user is 0 inside and the ranges follow. With Podman's `--userns=keep-id` the user keeps
        its number, and the ranges fill what is below and above. Raises NoSuchOwner beyond the ranges. Source:
        https://docs.podman.io/en/latest/markdown/podman-run.1.html#userns-mode
        """
        if inside == (self.own if keep_id else 0):
            return self.own
        place = inside - 1 if not keep_id or inside > self.own else inside
        for first, count in self.ranges:
            if place < count:
                return first + place
            place -= count
        raise NoSuchOwner(
            f"ID {inside} of a container is beyond the ranges that /etc/subuid and /etc/subgid give to user "
            f"{self.own}: widen them (usermod --add-subuids), or use a lower ID in the container"
        )


def ranges_of(text: str, user: str, uid: int) -> tuple[tuple[int, int], ...]:
    """Return the ranges that the text of /etc/subuid or /etc/subgid gives to a user, in their order."""
    found = []
    for line in text.splitlines():
        name, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if name in (user, str(uid)) and first.isdecimal() and count.isdecimal():
            found.append((int(first), int(count)))
    return tuple(found)


def owner_of(owner: str | None, group: str | None, *, keep_id: bool = False) -> FileOwner:
    """Return the numbers of `owner` and `group`.

    `owner` is a user's name or number, or `container:USER:UID[:GID]`: the user `UID` as a rootless container
    of `USER` sees it, with `--userns=keep-id` if `keep_id`. Without `USER` it is this process' user, whose
    own number alone it may give a file. Raises NoSuchOwner.
    """
    if owner is not None and (match := _CONTAINER.fullmatch(owner)):
        own = os.geteuid()
        user = own if match[1] is None else _user(match[1])
        inside, inside_group = int(match[2]), int(match[3] or match[2])
        if user == 0:  # rootful Podman maps nothing
            return FileOwner(inside, inside_group)
        found = FileOwner(
            _subordinate(SUBUID, user, user).outside(inside, keep_id=keep_id),
            _subordinate(SUBGID, user, _primary_group(user)).outside(inside_group, keep_id=keep_id),
        )
        if own not in (0, found.uid):
            raise NoSuchOwner(
                f'"{owner}" is user {found.uid} outside of the container, and only root may give files away. '
                f"Start the container with --userns=keep-id:uid={inside},gid={inside_group} and leave owner "
                f"out, or have an agent of root write {_as_root(user, inside, inside_group)}"
            )
        return found
    return FileOwner(None if owner is None else _user(owner), None if group is None else _group(group))


def _as_root(user: int, inside: int, inside_group: int) -> str:
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:
        name = "USER"
    return f"owner: container:{name}:{inside}:{inside_group}"


def _subordinate(path: Path, uid: int, own: int) -> SubordinateIds:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = ""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return SubordinateIds(own, ranges_of(text, name, uid))


def _primary_group(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return os.getegid()


MAX_ID: Final = 2**32 - 2
"""The highest ID of a user or a group; the next one means "none" to chown(2)."""


def _number(text: str) -> int | None:
    if not text.isdecimal():
        return None
    if int(text[:11]) > MAX_ID:
        raise NoSuchOwner(f"{text[:20]} is no number of a user or a group: they end with {MAX_ID}")
    return int(text)


def _user(owner: str) -> int:
    if (number := _number(owner)) is not None:
        return number
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError as error:
        raise NoSuchOwner(
            f'There is no user "{owner}" on this machine: make it, or correct "owner"'
        ) from error


def _group(group: str) -> int:
    if (number := _number(group)) is not None:
        return number
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise NoSuchOwner(
            f'There is no group "{group}" on this machine: make it, or correct "group"'
        ) from error
