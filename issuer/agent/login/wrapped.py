"""The first secret ID, wrapped: a token that gives it away once.

One that was unwrapped by somebody else and one that has expired get the same answer. Only the deadline that
enrolment wrote beside it tells them apart.
Source: https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from issuer.agent.errors import AgentError
from issuer.agent.login.secretids import OwnSecretId
from issuer.agent.login.statefile import StateFile
from issuer.text import parse_json, parse_rfc3339, rfc3339
from issuer.vault.errors import (
    GatewayError,
    LoginRefused,
    UnexpectedAnswer,
    Unreachable,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
)
from issuer.vault.transport import VaultClient

WRAPPED: Final = "wrapped secret ID"
_CREATION: Final = re.compile(r"auth/[^?#%\s]+/role/[^/?#%\s]+/secret-id")
_USUAL: Final = "auth/<mount>/role/<name>/secret-id"


@dataclass(frozen=True, slots=True)
class WrappedSecretId:
    """A wrapping token, and what enrolment noted of it: its end (RFC 3339) and the path that made it.

    Both are empty if only the token was given.
    """

    token: str = field(repr=False)
    deadline: str = ""
    creation_path: str = ""

    @classmethod
    def parse(cls, data: bytes) -> WrappedSecretId:
        """Read a file that holds the token alone, or JSON with `token`, `deadline` and `creationPath`.

        Raises LoginRefused.
        """
        text = data.decode("utf-8", "replace").strip()
        if not text.startswith("{") and text.isascii() and text.isprintable():
            return cls(text)
        try:
            found: Any = parse_json(text)
            made = cls(str(found["token"]), str(found["deadline"]), str(found["creationPath"]))
            parse_rfc3339(made.deadline)
        except (ValueError, KeyError, TypeError) as error:
            raise LoginRefused(
                "The file of the wrapped secret ID is damaged: enrol this machine anew", method=WRAPPED
            ) from error
        return made

    @property
    def digest(self) -> str:
        """The token's SHA-256, by which its use is noted."""
        return hashlib.sha256(self.token.encode()).hexdigest()


class Unwrapping:
    """Unwraps secret IDs, and remembers which ones it has unwrapped, or tried to."""

    def __init__(self, state: StateFile, again: str) -> None:
        """`again` is the command that gives a new one, for messages."""
        self._state = state
        self._again = again

    def is_spent(self, wrapped: WrappedSecretId) -> bool:
        """Return True if this agent has unwrapped it: it works once."""
        noted = self._noted(wrapped)
        return noted is not None and noted.get("over") is True

    async def unwrap(self, client: VaultClient, wrapped: WrappedSecretId, now: datetime) -> OwnSecretId:
        """Return the secret ID. Raises LoginRefused, with what became of it as far as that can be told."""
        try:
            answer = await client.adapter().post("/v1/sys/wrapping/lookup", json={"token": wrapped.token})
        except (VaultBadRequest, VaultForbidden) as error:
            raise self._gone(wrapped, now) from error
        self._check_origin(wrapped, _data(answer).get("creation_path"))
        self._note(wrapped, now, over=False)
        try:
            answer = await client.adapter(wrapped.token).post("/v1/sys/wrapping/unwrap", json={})
        except VaultError as error:
            # With the note a theft from now on would pass for an answer that this agent lost.
            if not _may_be_unwrapped(error):
                self._state.remove()
            if isinstance(error, (VaultBadRequest, VaultForbidden)):  # gone between the two calls
                raise self._gone(wrapped, now, noted=False) from error
            raise
        return OwnSecretId.of_answer(_data(answer), now)

    def spent(self, wrapped: WrappedSecretId, now: datetime) -> None:
        """Note that it was unwrapped and its secret ID is kept."""
        self._note(wrapped, now, over=True)

    def _check_origin(self, wrapped: WrappedSecretId, path: object) -> None:
        """Refuse a token that was made by another call: somebody put it in the place of the right one."""
        found = path if isinstance(path, str) else ""
        if wrapped.creation_path:
            is_right = found == wrapped.creation_path
        else:
            is_right = _CREATION.fullmatch(found) is not None
        if not is_right:
            raise LoginRefused(
                f'The wrapping token was made by "{found}", not by "{wrapped.creation_path or _USUAL}": '
                "somebody may have put it in place of the right one. It was not unwrapped; find out who, "
                f"then run {self._again}",
                method=WRAPPED,
            )

    def _gone(self, wrapped: WrappedSecretId, now: datetime, *, noted: bool = True) -> LoginRefused:
        earlier = self._noted(wrapped) if noted else None
        if earlier is not None and earlier.get("over") is True:
            text = (
                f"This ticket was used on this machine already, at {earlier.get('at')}, and works once; "
                f"`vault-issuer agent check` tells if the login works. If it doesn't, run {self._again}"
            )
        elif earlier is not None:
            text = (
                f"The wrapped secret ID is gone: this agent asked for it at {earlier.get('at')} and got no "
                f"answer, or lost it. Run {self._again}"
            )
        elif not wrapped.deadline:
            text = (
                "The wrapped secret ID has expired, or somebody else has unwrapped it; without the deadline "
                f"of an enrolment that can't be told. Run {self._again}"
            )
        elif now < parse_rfc3339(wrapped.deadline):
            text = (
                f"The wrapped secret ID is gone before its end at {wrapped.deadline}: somebody else has "
                "unwrapped it, or revoked it. Run vault-issuer enroll --lock for this machine if nobody of "
                f"yours did, then {self._again}"
            )
        else:
            text = f"The wrapped secret ID expired at {wrapped.deadline}, unused. Run {self._again}"
        return LoginRefused(text, method=WRAPPED)

    def _noted(self, wrapped: WrappedSecretId) -> Mapping[str, Any] | None:
        try:
            found: Any = parse_json(self._state.read() or b"null")
        except ValueError:
            return None
        return found if isinstance(found, dict) and found.get("digest") == wrapped.digest else None

    def _note(self, wrapped: WrappedSecretId, now: datetime, *, over: bool) -> None:
        noted = {"digest": wrapped.digest, "at": rfc3339(now), "over": over}
        try:
            self._state.write(json.dumps(noted).encode())
        except AgentError as error:
            # Unwrapped without a place to keep it, it would be lost.
            raise LoginRefused(f"The wrapped secret ID is not unwrapped: {error}", method=WRAPPED) from error


def _may_be_unwrapped(error: VaultError) -> bool:
    """Return True if Vault may have given the secret ID away in an answer that was lost, or can't be read."""
    if isinstance(error, Unreachable):
        return error.sent
    return isinstance(error, (GatewayError, UnexpectedAnswer))


def _data(answer: object) -> Mapping[str, Any]:
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else {}
