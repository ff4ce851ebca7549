"""Tokens that Vault takes for a number of calls only (token_num_uses of an auth role)."""

from __future__ import annotations

import asyncio

import pytest

from issuer.vault.errors import LoginRefused, Sealed
from issuer.vault.login.methods import AppRole, StaticToken
from issuer.vault.login.tokens import TokenSource
from issuer.vault.session import VaultSession
from issuer.vault.transport import VaultClient
from tests.unit.vault import fake
from tests.unit.vault.fake import Clock, FakeVault

ROLE = AppRole("role", "secret")


def tell_logins(vault: FakeVault, uses: int, count: int = 9) -> None:
    """Logins whose tokens are good for so many calls."""
    vault.tell(fake.APPROLE_LOGIN, *(fake.login(f"s.{n}", uses=uses) for n in range(count)))


async def test_last_use_of_a_token_is_left_to_the_next_login(vault: FakeVault, client: VaultClient) -> None:
    tell_logins(vault, uses=3)
    source = TokenSource(client, ROLE)
    assert [await source.get() for _ in range(5)] == ["s.0", "s.0", "s.1", "s.1", "s.2"]


async def test_a_token_for_one_call_is_used_once(vault: FakeVault, client: VaultClient) -> None:
    tell_logins(vault, uses=1)
    source = TokenSource(client, ROLE)
    assert [await source.get() for _ in range(2)] == ["s.0", "s.1"]


async def test_many_waiters_get_no_more_uses_than_there_are(vault: FakeVault, client: VaultClient) -> None:
    tell_logins(vault, uses=3)
    source = TokenSource(client, ROLE)
    tokens = await asyncio.gather(*(source.get() for _ in range(7)))
    assert sorted(tokens) == ["s.0", "s.0", "s.1", "s.1", "s.2", "s.2", "s.3"]
    assert len(vault.made(fake.APPROLE_LOGIN)) == 4


async def test_it_is_replaced_by_a_login_as_a_renewal_costs_a_use(
    vault: FakeVault, client: VaultClient
) -> None:
    clock = Clock()
    tell_logins(vault, uses=10)
    source = TokenSource(client, ROLE, clock)
    await source.get()
    clock.now += 0.7 * 3600
    assert await source.get() == "s.1"
    assert not vault.made(fake.RENEW)


async def test_an_outage_when_it_is_used_up_is_told(vault: FakeVault, client: VaultClient) -> None:
    vault.tell(fake.APPROLE_LOGIN, fake.login("s.0", uses=2), fake.SEALED, fake.login("s.1", uses=2))
    source = TokenSource(client, ROLE)
    assert await source.get() == "s.0"
    with pytest.raises(Sealed):
        await source.get()
    assert await source.get() == "s.1"


async def test_a_token_of_a_secret_is_used_until_vault_refuses_it(
    vault: FakeVault, client: VaultClient
) -> None:
    vault.tell(fake.LOOKUP, fake.lookup(3600, True, uses=1), fake.BAD_TOKEN)
    session = VaultSession(client, StaticToken("s.x"))
    for _ in range(3):
        assert await session.tokens.get() == "s.x"
    assert session.tokens.token is not None
    assert session.tokens.token.uses == 1
    session.tokens.drop("s.x")
    with pytest.raises(LoginRefused, match="expired or revoked"):
        await session.tokens.get()
