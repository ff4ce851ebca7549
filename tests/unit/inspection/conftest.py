"""A scripted API server, and a CA."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from issuer.inspection.reading import Reader
from tests.ca import TestCA
from tests.unit.inspection.scene import Scene, no_step_issuers
from tests.unit.kube.fake_api import FakeApi, client_of


@pytest.fixture
async def scene(api: FakeApi) -> AsyncIterator[Scene]:
    """The same, with a client."""
    async with client_of(api) as client:
        no_step_issuers(api)
        yield Scene(api, Reader(client))


@pytest.fixture(scope="session")
def ca() -> TestCA:
    """Root and intermediate."""
    return TestCA.make()
