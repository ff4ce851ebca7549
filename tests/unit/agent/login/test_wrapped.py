"""A wrapped secret ID that somebody took after a call that failed is told as theft."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuer.agent.login.statefile import StateFile
from issuer.agent.login.wrapped import Unwrapping, WrappedSecretId
from issuer.vault.errors import (
    GatewayError,
    LoginRefused,
    Sealed,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
    VaultBadRequest,
    VaultError,
    VaultRateLimited,
)

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PATH = "auth/approle/role/nas/secret-id"
WRAPPED = WrappedSecretId("hvs.w", "2026-11-02T12:15:00Z", PATH)


class Vault:
    """A client whose unwrapping fails with one error, and whose lookup fails once it is `gone`."""

    def __init__(self, error: VaultError) -> None:
        self._error = error
        self.gone = False

    def adapter(self, _token: str | None = None) -> Vault:
        return self

    async def post(self, path: str, **_: object) -> object:
        if path.endswith("unwrap"):
            raise self._error
        if self.gone:
            raise VaultBadRequest("wrapping token is not valid or does not exist")
        return {"data": {"creation_path": PATH}}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ServerError("503"), "somebody else has unwrapped it"),
        (Sealed("sealed"), "somebody else has unwrapped it"),
        (VaultRateLimited("quota"), "somebody else has unwrapped it"),
        (Unreachable("away", sent=False), "somebody else has unwrapped it"),
        (Unreachable("away", sent=True), "got no answer, or lost it"),
        (GatewayError("504"), "got no answer, or lost it"),
        (UnexpectedAnswer("not JSON"), "got no answer, or lost it"),
    ],
)
async def test_loss_after_a_failed_call(error: VaultError, told: str, tmp_path: Path) -> None:
    unwrapping = Unwrapping(StateFile(tmp_path, "wrapped", "of"), "enroll")
    vault: Any = Vault(error)
    with pytest.raises(type(error)):
        await unwrapping.unwrap(vault, WRAPPED, NOW)
    vault.gone = True
    with pytest.raises(LoginRefused, match=told):
        await unwrapping.unwrap(vault, WRAPPED, NOW)


async def test_a_ticket_that_was_used_here_is_no_loss(tmp_path: Path) -> None:
    unwrapping = Unwrapping(StateFile(tmp_path, "wrapped", "of"), "enroll")
    vault: Any = Vault(ServerError("never asked"))
    vault.gone = True
    unwrapping.spent(WRAPPED, NOW)
    with pytest.raises(LoginRefused, match="was used on this machine already, at 2026-11-02T12:00:00Z"):
        await unwrapping.unwrap(vault, WRAPPED, NOW)
