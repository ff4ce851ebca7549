"""Rules of the CRDs are for every API server that the chart asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from issuer.api.crd import custom_resource_definitions

RESERVED = (
    "as break const continue else for function if import in let loop package namespace return var void while"
)
"""Words of CEL. A field of that name is `__word__` in a rule: API servers up to 1.30 take nothing else
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions)."""


def rules(tree: Any) -> Iterator[str]:
    """Every validation rule of a schema."""
    if isinstance(tree, dict):
        yield from (one["rule"] for one in tree.get("x-kubernetes-validations", ()))
        for value in tree.values():
            yield from rules(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from rules(value)


def test_fields_that_are_words_of_cel_are_escaped() -> None:
    found = [rule for crd in custom_resource_definitions().values() for rule in rules(crd)]
    assert any("__namespace__" in rule for rule in found)
    plain = re.compile(rf"\.({'|'.join(RESERVED.split())})\b")
    assert [rule for rule in found if plain.search(rule)] == []
