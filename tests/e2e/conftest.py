"""The cluster that E2E_SETTINGS names, and what is measured on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import numbers
from tests.e2e.cluster import Cluster, prepared
from tests.e2e.settings import VARIABLE, load

pytest.register_assert_rewrite("tests.e2e.arrivals")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster, with a CA in its Vault; nothing is installed yet."""
    settings = load()
    if settings is None:
        pytest.skip(f"{VARIABLE} names no cluster: `make e2e` or `make kind` make one")
    with prepared(settings) as found:
        yield found


@pytest.fixture(scope="session")
def measured(cluster: Cluster) -> Iterator[dict[str, float]]:
    """Numbers by their name in tests/e2e/numbers.py; printed at the end."""
    found: dict[str, float] = {}
    yield found
    if found:
        print("\n" + numbers.report(found, cluster.kube.version()))
