"""The scripted API server, and a client of it; hypothesis without limits in time, and plain tracebacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from issuer.kube.client import KubeClient
from tests.examples import examples
from tests.trust import no_certificates_of_the_system
from tests.unit.kube.fake_api import FakeApi, client_of, running

# No test has a limit in time: hypothesis has 200 ms for an example, which a loaded machine does not keep.
settings.register_profile(
    "untimed", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _no_certificates_of_the_system() -> Iterator[None]:
    """Trust no certificate of the system."""
    with no_certificates_of_the_system():
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


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Log tracebacks as text: structlog's default draws them with rich, which takes a second."""
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure([*structlog.get_config()["processors"][:-1], console])
