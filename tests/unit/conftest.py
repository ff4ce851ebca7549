"""The scripted API server, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from issuer.kube.client import KubeClient
from tests.unit.kube.fake_api import FakeApi, client_of, running


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """A server that answers only what the test tells it."""
    async with running() as server:
        yield server


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[KubeClient]:
    """A client of `api`."""
    async with client_of(api) as made:
        yield made
