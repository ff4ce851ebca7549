"""Sessions of browsers that have shown a token: a random cookie stands for the user; the token isn't kept."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Final

import orjson

from issuer.bounded import TtlCache
from issuer.kube.identity import User

COOKIE: Final = "__Host-vault-issuer-status"
"""The prefix has browsers refuse it without Secure, with a Domain, or for part of the site."""

LASTS: Final = 3600
"""Seconds a session lasts at most."""

MOST: Final = 64


class Sessions:
    """A bounded number of sessions in memory, keyed by their cookies' hashes; the oldest end first."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._wall = wall
        self._users: TtlCache[bytes, User] = TtlCache(MOST, clock)

    def __len__(self) -> int:
        return len(self._users)

    def begin(self, user: User, token: str) -> tuple[str, int]:
        """Return a new cookie's value and the seconds it lasts: an hour, or the token's rest if less."""
        cookie = secrets.token_urlsafe(32)
        lasts = min(LASTS, _seconds_left(token, self._wall()))
        self._users.put(_hash(cookie), user, lasts)
        return cookie, lasts

    def find(self, cookie: str) -> User | None:
        """Return the user of a cookie, or None."""
        key = _hash(cookie)
        user = self._users.get(key)
        if user is None:
            self._users.pop(key)
        return user

    def end(self, cookie: str) -> None:
        """End the session of a cookie."""
        self._users.pop(_hash(cookie))


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode(errors="surrogateescape")).digest()


def _seconds_left(token: str, now: float) -> int:
    """Return the seconds a JWT says it lasts; the API server has verified it already."""
    parts = token.split(".")
    if len(parts) != 3:
        return LASTS
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return max(1, int(claims["exp"] - now))
    except (ValueError, KeyError, TypeError):
        return LASTS
