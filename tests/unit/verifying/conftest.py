"""A CA whose servers are dialled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.ca import TestCA


@pytest.fixture(scope="module")
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def ca(now: datetime) -> TestCA:
    return TestCA.make(now)
