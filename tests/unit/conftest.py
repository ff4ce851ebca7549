"""The scripted API server, a client of it, and the command line, built once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest
import typer.main

from issuer.kube.client import KubeClient
from tests.unit.kube.fake_api import FakeApi, client_of, running


@pytest.fixture(autouse=True, scope="session")
def _command_line_built_once() -> Iterator[None]:
    """Typer's runner builds every command anew for each run, which takes longer than most of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        yield


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
