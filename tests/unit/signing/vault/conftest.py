"""Fixtures of tests of Vault's signer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault, fake_vault


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what the test opened."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    """A Vault that takes logins and tells its CA."""
    async with fake_vault() as running:
        running.tell(fake.APPROLE_LOGIN, *(fake.login(f"s.{n}") for n in range(9)))
        running.tell(fake.CHAIN, (200, fake.CERTIFICATE))
        yield running
