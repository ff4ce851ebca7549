"""Every deliberate difference is told to users, word for word, and shown by a test that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.policy.differences import DIFFERENCES, Difference

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda one: one.name)
def test_a_difference_is_in_the_docs_and_has_its_test(difference: Difference) -> None:
    told = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert f"| `{difference.name}` | {difference.reason} |" in told
    file, _, function = difference.test.partition("::")
    source = (Path(__file__).parent / file).read_text(encoding="utf-8")
    assert f"def {function}(" in source
