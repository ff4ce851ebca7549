"""docs/pki-health.md tells every check with its thresholds, and every metric."""

from __future__ import annotations

import re

import pytest

from issuer.pki.health.parameters import BAO, CHECKS, OURS
from issuer.pki.health.textfile import METRICS
from tests.unit.docs.collected import ROOT

PAGE = (ROOT / "docs" / "pki-health.md").read_text()


@pytest.mark.parametrize("name", [*CHECKS, *METRICS])
def test_the_page_tells_it(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_page_tells_our_thresholds() -> None:
    told = dict(re.findall(r"`(\w+_(?:warning|critical))` (\d+[smhd])", PAGE))
    assert told == {name: value for one in OURS.values() for name, value in one.items()}


def test_there_are_fourteen_checks_of_bao() -> None:
    assert len(BAO) == 14
