"""A Vault that answers as it is told, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from issuer.vault.transport import VaultClient
from tests.unit.vault.fake import FakeVault, client_of, fake_vault


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    """A fake Vault on loopback."""
    async with fake_vault() as running:
        yield running


@pytest.fixture
async def client(vault: FakeVault) -> AsyncIterator[VaultClient]:
    """A client of that Vault."""
    async with client_of(vault) as made:
        yield made
