"""What Vault's audit log says was done, read on from where the last reading ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson


class Audit:
    """Counts signed certificates and logins since the last look. The device is on for every system alike."""

    def __init__(self, log: Path, sign_path: str, elsewhere: Callable[[], int] = int) -> None:
        """`elsewhere` gives the certificates that another CA has signed since its last call."""
        self._log = log
        self._sign_path = sign_path
        self._elsewhere = elsewhere
        self._position = 0
        self.look()

    def look(self) -> tuple[int, int]:
        """Certificates signed and logins made since the last call.

        A login is a call of a login path, or, by static token, the look at that token which is no root's.
        """
        signed, logins = self._elsewhere(), 0
        with self._log.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._position += len(line)
                if b'"type":"response"' in line:
                    entry = orjson.loads(line)
                    signed += self._is_signed(entry)
                    logins += _is_login(entry)
        return signed, logins

    def _is_signed(self, entry: dict[str, object]) -> bool:
        request, response = _part(entry, "request"), _part(entry, "response")
        return request.get("path") == self._sign_path and bool(_part(response, "data").get("certificate"))


def _is_login(entry: dict[str, object]) -> bool:
    path = str(_part(entry, "request").get("path"))
    if path == "auth/token/lookup-self":
        policies = _part(entry, "auth").get("policies")
        return not (isinstance(policies, list) and "root" in policies)
    return path.startswith("auth/") and path.endswith("/login") and "error" not in entry


def _part(entry: dict[str, object], key: str) -> dict[str, object]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}
