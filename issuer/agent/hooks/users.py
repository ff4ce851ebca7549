"""The user that a hook runs as, and files that nobody else may write."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from issuer.agent.files.trusted import who_may_write
from issuer.agent.hooks.errors import HookUnsafe


@dataclass(frozen=True, slots=True)
class HookUser:
    """A user of this machine. `is_own` is True for the user that the agent itself runs as."""

    name: str
    uid: int
    gid: int
    home: str
    is_own: bool


def hook_user(name: str | None) -> HookUser:
    """Return the user of a consumer: by default the agent's own, which root has to name.

    Raises HookUnsafe.
    """
    own = os.geteuid()
    if name is None:
        if own == 0:
            raise HookUnsafe(
                "The agent runs as root and the consumer has no user: write the user that the hook is to run "
                "as, such as user: www-data"
            )
        return _user(pwd.getpwuid(own), own)
    try:
        found = _user(pwd.getpwnam(name), own)
    except KeyError as error:
        raise HookUnsafe(f'User "{name}" isn\'t known on this machine: correct user, or add it') from error
    if not found.is_own and own != 0:
        raise HookUnsafe(
            f'The agent runs as user {own} and can\'t act as "{name}": leave user out, or run an agent as '
            f"{name}"
        )
    return found


def need_trusted(path: Path, what: str, user: HookUser | None = None) -> None:
    """Raise HookUnsafe if another than root, the agent's user and `user` could change the file or its way."""
    writer = who_may_write(path) if user is None else who_may_write(path, user.uid, user.gid)
    if writer is not None:
        raise HookUnsafe(f'The {what} "{path}" is not used: {writer}')


def _user(entry: pwd.struct_passwd, own: int) -> HookUser:
    return HookUser(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_uid == own)
