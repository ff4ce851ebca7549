"""The state folder: where it is by default, and what the agent itself keeps in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SYSTEM_FILE: Final = "/etc/vault-issuer/agent.yaml"
SYSTEM_STATE: Final = Path("/var/lib/vault-issuer-agent")
RECORDS: Final = "records"
CONSUMERS: Final = "consumers"
"""Folders in it, of sets and of consumers."""


def state_folder(
    given: Path | None, environment: Mapping[str, str], config: str = "", uid: int | None = None
) -> Path:
    """Return the state folder: the given one, systemd's, root's, or one of `uid`, by default this user.

    A user without a home of its own has one beside root's, which `agent install --as` makes.

    Another configuration than the usual `agent.yaml` of its user has a folder of its own below the last two,
    so that two agents of one user don't meet.
    """
    if given is not None:
        return given
    if (made := environment.get("STATE_DIRECTORY", "").partition(":")[0]).startswith("/"):
        return Path(made)
    own = ""
    if config not in ("", "-") and (path := os.path.realpath(config)) != os.path.realpath(SYSTEM_FILE):
        own = f"{Path(path).stem}-{hashlib.sha256(path.encode()).hexdigest()[:12]}"
    if (os.geteuid() if uid is None else uid) == 0:
        return SYSTEM_STATE / own
    user = os.geteuid() if uid is None else uid
    if base := environment.get("XDG_STATE_HOME"):
        return Path(base) / "vault-issuer-agent" / own
    home = Path(environment.get("HOME") or "/nonexistent")
    if not _belongs_to(home, user):  # as /var/www, which www-data can't write, and others may read
        return SYSTEM_STATE.with_name(f"{SYSTEM_STATE.name}-{user}") / own
    return home / ".local" / "state" / "vault-issuer-agent" / own


def _belongs_to(home: Path, user: int) -> bool:
    try:
        return home.stat().st_uid == user
    except OSError:
        return False


def own_folders(state: Path) -> tuple[Path, ...]:
    """Return the folders in which every file is the agent's own."""
    return (state, state / RECORDS, state / CONSUMERS)
