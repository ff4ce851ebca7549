"""Fixtures of the controller's unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ca import TestCA
from tests.unit.controller.bench import Bench


@pytest.fixture(scope="module")
def ca() -> TestCA:
    """A CA of the module."""
    return TestCA.make()


@pytest.fixture
def bench(ca: TestCA) -> Iterator[Bench]:
    one = Bench(ca)
    yield one
    one.queue.close()
    one.issuer_queue.close()
