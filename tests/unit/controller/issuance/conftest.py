"""Fixtures of tests of issuance."""

from __future__ import annotations

import pytest

from tests.unit.controller.bench import Bench
from tests.unit.controller.issuance.bad_answers import Trial


@pytest.fixture
def trial(bench: Bench) -> Trial:
    """An issuer with three requests."""
    return Trial(bench)
