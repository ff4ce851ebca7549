"""Inventories in CSV: names that a certificate's owner chose are text to any spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from issuer.inventory.certificate import KnownIssuers, known
from issuer.inventory.show import write_csv
from issuer.inventory.taking import CertificateInventory
from tests.ca import TestCA

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ROW = known(TestCA.make().intermediate, KnownIssuers(()))


def first_line(name: str) -> str:
    """The line of a certificate with that name."""
    to = io.StringIO()
    rows = ((replace(ROW, names=(name,)), ()),)
    write_csv(CertificateInventory(NOW, ("pki",), rows, (), asked_for_uses=False), to, None)
    return to.getvalue().splitlines()[1]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\uff1d1+1", "\uff20x"])
def test_no_cell_is_a_formula(name: str) -> None:
    assert next(csv.reader([first_line(name)]))[0] == f"'{name}"


@pytest.mark.parametrize("name", ["a;=1+1", "a\t=1+1", 'a";=1+1', "a\n=1+1"])
def test_no_name_makes_a_cell_where_others_separate(name: str) -> None:
    for separator in ";\t":
        cells = next(csv.reader([first_line(name)], delimiter=separator))
        assert not [one for one in cells if one.startswith("=")]
