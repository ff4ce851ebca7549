"""Names of digits alone, which Kubernetes takes, stay texts: YAML reads what isn't quoted as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.builds import HELM, HELM_3, Build
from testbed.chart import render
from tests.chart.conftest import FULL
from tests.chart.usual import DIGITS

HELMS = [HELM, HELM_3]
RELEASE, NAMESPACE = "9001", "9002"
# Which are a part of a longer text: an argument, or an image's name.
WITHIN = {"9007", "9021", "9024", "9025", "9026", "9027", "9028", "9041", "9042", "9044"}


def leaves(tree: Any) -> Iterator[object]:
    """Every value that is neither a mapping nor a list."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_names_of_digits_stay_texts(which: Build) -> None:
    objects = render(DIGITS, release=RELEASE, namespace=NAMESPACE, which=which)
    found = set(leaves(objects))
    numbers = range(9001, 9045)
    assert [one for one in numbers if one in found] == []
    assert {str(one) for one in numbers} - found - WITHIN == set()


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_a_wrapped_tokens_secret_of_digits_stays_a_text(which: Build) -> None:
    pki = {**FULL["pki"], "login": {"wrappedTokenSecret": "9045"}}
    assert "9045" in set(leaves(render({"pki": pki}, which=which)))
