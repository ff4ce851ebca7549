"""tests/conformance: every case of the suites has a test of ours, or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from tests.unit.docs.collected import ROOT, feature_tests

MAP: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "conformance" / "cases.yaml").read_text())
SUPPORTED = set(MAP["features"]["supported"])
COUNTS = {
    "certificates": 31,
    "certificatesigningrequests": 23,
    "issuer-lib-certificates": 3,
    "issuer-lib-certificatesigningrequests": 1,
}


def cases() -> Iterator[dict[str, Any]]:
    """Every case of every suite."""
    for suite in MAP["suites"].values():
        yield from suite["cases"]


def title(one: dict[str, Any]) -> str:
    """The suite's own title of a case, or what it is about."""
    return str(one.get("case") or one["described"])


def test_every_case_of_the_suites_is_listed_once() -> None:
    found = {name: len({title(one) for one in suite["cases"]}) for name, suite in MAP["suites"].items()}
    assert found == COUNTS


def test_every_case_has_a_test_in_each_mode_or_a_reason() -> None:
    missing = []
    for one in cases():
        if "test" not in one:
            assert one["reason"]
            continue
        modes = one.get("modes", ["sign", "verbatim"])
        assert "verbatim" in modes
        assert len(modes) == 2 or one["reason"]
        wanted = [one["test"].replace("MODE", mode) for mode in modes]
        missing += [test for test in wanted if test not in feature_tests()]
    assert missing == []


def test_no_feature_is_declared_unsupported_and_each_is_asked_for() -> None:
    assert MAP["features"]["unsupported"] == []
    needed = {need for one in cases() for need in one["needs"]}
    assert needed | set(MAP["features"]["everywhere"]) == SUPPORTED
