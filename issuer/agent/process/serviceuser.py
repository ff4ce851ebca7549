"""The user that a service of the agent runs as: its state folder, and what it has to be able to write."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from issuer.agent.config.model import AgentFile
from issuer.agent.config.paths import read_files
from issuer.agent.config.state import state_folder
from issuer.agent.errors import AgentError
from issuer.agent.files.folders import opened_folder
from issuer.agent.files.numbered import GENERATIONS

_READ, _WRITE, _PASS = 4, 2, 1


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A user of this machine, with its groups."""

    name: str
    uid: int
    gid: int
    home: str
    groups: frozenset[int]

    def state_of(self, file: AgentFile, config: Path) -> Path:
        """Return the state folder of a configuration: the one that commands of this user look into."""
        return state_folder(file.state_folder, {"HOME": self.home}, str(config), self.uid)

    def prepare(self, folders: Iterable[Path], state: Path) -> tuple[str, ...]:
        """Make what isn't there of `folders` and `state`, for this user; returns what it can't use.

        The unit lets the agent write these alone, and they have to be there when it starts. Raises
        AgentError.
        """
        problems = []
        for folder in (*folders, state):
            missing = [one for one in (folder, *folder.parents) if not one.exists()]
            for made in reversed(missing):
                with opened_folder(made, create=True, mode=0o700 if made == state else 0o755) as fd:
                    if made == folder or made.is_relative_to(self.home):
                        os.fchown(fd, self.uid, self.gid)
            kept = folder / GENERATIONS
            if not all(self._may_write(one) for one in (folder, kept) if one.is_dir()):
                # With what root's commands, such as `once`, have written there.
                words = "chown -hR" if kept.is_dir() else "chown"
                problems.append(
                    f'{self.name} may not write to the folder "{folder}": run "{words} {self.name} '
                    f'{folder}", or name another one'
                )
        return tuple(problems)

    def unreadable(self, file: AgentFile, config: Path) -> tuple[str, ...]:
        """Return what to do about files that the service has to read and this user can't."""
        problems = []
        for path in (config, *read_files(file)):
            closed = [
                one for one in reversed(path.parents) if one.exists() and not self._may(one.stat(), _PASS)
            ]
            if closed:
                problems.append(
                    f'{self.name} doesn\'t come through "{closed[0]}" to "{path}": run "chgrp {self.gid} '
                    f'{closed[0]} && chmod g+x {closed[0]}"'
                )
            elif path.exists() and not self._may(path.stat(), _READ):
                # Its group, not its owner: root reads none that another may write.
                problems.append(
                    f'{self.name} may not read "{path}": run "chgrp {self.gid} {path} && chmod 640 {path}"'
                )
        return tuple(problems)

    def left_behind(self, file: AgentFile, config: Path) -> str:
        """Return what to do about the state of commands that root ran, as `agent join`; empty if nothing."""
        there = state_folder(file.state_folder, {}, str(config), 0)
        mine = self.state_of(file, config)
        if there == mine or not there.is_dir() or (mine.is_dir() and any(mine.iterdir())):
            return ""
        return (
            f"The login that root's commands kept is not the service's. To hand it over:  "
            f"cp -rT {there} {mine} && chown -R {self.name}: {mine}"
        )

    def _may_write(self, folder: Path) -> bool:
        with opened_folder(folder) as fd:
            return self._may(os.fstat(fd), _WRITE)

    def _may(self, found: os.stat_result, right: int) -> bool:
        if self.uid == 0:
            return True
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid in self.groups else 0
        return bool(stat.S_IMODE(found.st_mode) >> shift & right)


def service_user(name: str) -> ServiceUser:
    """Return a user by name, this process' own if it is empty. Raises AgentError."""
    own = os.geteuid()
    try:
        entry = pwd.getpwnam(name) if name else pwd.getpwuid(own)
    except (KeyError, ValueError) as error:
        raise AgentError(
            f'There is no user "{name or own}" on this machine: make it, or correct --as'
        ) from error
    if own != 0:
        raise AgentError(f"A service that runs as {entry.pw_name} is installed by root: run this with sudo")
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return ServiceUser(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, groups)
