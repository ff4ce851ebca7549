"""Small files of the agent's own beside its records: mode 0600, each bound to one server and login."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from issuer.agent.errors import AgentError
from issuer.agent.files.writing import write_file


class StateFile:
    """One secret in the state folder. `of` says of which server and login: another one has another file."""

    def __init__(self, folder: Path, kind: str, of: str) -> None:
        self._folder = folder
        self._name = f"{kind}-{hashlib.sha256(of.encode()).hexdigest()[:16]}"

    def read(self) -> bytes | None:
        """Return the file's bytes; None if there is none or it can't be read."""
        with suppress(OSError, AgentError):
            return (self._folder / self._name).read_bytes()
        return None

    def write(self, data: bytes) -> None:
        """Put `data` there in one step. Raises UnsafePath and DiskRefused."""
        write_file(self._folder / self._name, data, 0o600, "The login's state")

    def remove(self) -> None:
        """Remove the file, if it is there."""
        with suppress(OSError):
            (self._folder / self._name).unlink()
