"""Fixtures for tests that dial servers: a CA, and the time at which it was made."""

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
