"""A Job waits for a Vault that can't be used yet, and tells why once for each reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from issuer.pki.errors import NotPermitted, PkiError, VaultNotUsable
from issuer.pki.secret import SecretText
from issuer.pki.server import logins
from issuer.vault.transport import VaultClient

SEALED = VaultNotUsable("Vault is sealed")
NO_ROLE = NotPermitted("no such role")
CLIENT = cast(VaultClient, None)


class Login:
    """A login that meets these in turn, and then has a token."""

    def __init__(self, *meets: PkiError, repeats: bool = True) -> None:
        self.repeats = repeats
        self._meets: Iterator[PkiError] = iter(meets)

    async def log_in(self, _: VaultClient) -> SecretText:
        error = next(self._meets, None)
        if error is not None:
            raise error
        return SecretText("t")


class Clock:
    """Seconds that were slept, and what was told."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.told: list[str] = []

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture(autouse=True)
def usable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose state is no obstacle: each login tells what it meets."""

    async def state(_: Any) -> None:
        return None

    monkeypatch.setattr(logins, "check_state", state)


async def log_in(login: Login, wait: float, clock: Clock) -> SecretText:
    return await logins.logged_in(CLIENT, login, wait, clock.told.append, clock.sleep)


async def test_it_waits_and_tells_each_reason_once() -> None:
    clock = Clock()
    login = Login(SEALED, SEALED, NO_ROLE, NO_ROLE)
    assert await log_in(login, 60, clock) == SecretText("t")
    assert clock.told == ["Waiting: Vault is sealed", "Waiting: no such role"]
    assert clock.slept == 20


async def test_it_gives_up_after_its_time_with_the_last_reason() -> None:
    clock = Clock()
    with pytest.raises(VaultNotUsable, match="sealed"):
        await log_in(Login(*[SEALED] * 9), 12, clock)
    assert clock.slept == 12


async def test_a_refused_wrapped_token_is_final() -> None:
    clock = Clock()
    with pytest.raises(NotPermitted):
        await log_in(Login(NO_ROLE, repeats=False), 60, clock)
    assert clock.slept == 0
