"""The status that a check leads to, by the fields that a CRD has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from issuer.controller.issuers.status import CheckResult, new_expiry_warnings, new_warnings, with_result
from issuer.controller.state.health.ca_expiry import ExpiryWarning
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.signing.backend import STATUS_FIELDS
from tests.builders import NOW

READY = ControllerIssuerReason.READY
ISSUER: dict[str, Any] = {"metadata": {"name": "ca", "generation": 1}}
WARNED = CheckResult(True, READY, "it is ready to sign", warnings=("its clock is 5m0s ahead",))


def test_warnings_stand_in_the_message_where_the_crd_has_no_field_for_them() -> None:
    """They may come while the issuer is Ready, and go again."""
    plain = CheckResult(True, READY, "it is ready to sign")
    first = with_result(ISSUER, plain, frozenset(), NOW, keeps_generation=False)
    assert first is not None
    second = with_result(first, WARNED, frozenset(), NOW, keeps_generation=False)
    assert second is not None
    assert set(second["status"]) == {"conditions"}
    (condition,) = second["status"]["conditions"]
    assert condition["message"] == "it is ready to sign. its clock is 5m0s ahead."
    assert with_result(second, WARNED, frozenset(), NOW, keeps_generation=False) is None
    assert with_result(second, plain, frozenset(), NOW, keeps_generation=False) is not None


def test_warnings_have_their_field_where_the_crd_has_one() -> None:
    found = with_result(ISSUER, WARNED, STATUS_FIELDS, NOW)
    assert found is not None
    assert found["status"]["warnings"] == ["its clock is 5m0s ahead"]
    assert found["status"]["conditions"][0]["message"] == "it is ready to sign"


@pytest.mark.parametrize("fields", [STATUS_FIELDS, frozenset()], ids=["with a field", "without"])
def test_a_warning_is_news_once(fields: frozenset[str]) -> None:
    """Whatever else of the status changes meanwhile: each piece of news is a line in the log or an event."""
    ends = ExpiryWarning("the CA behind step-ca expires at 2026-12-01T00:00:00Z", "rotate it")
    found = replace(WARNED, expiring=(ends,))
    assert (new_warnings(ISSUER, found), new_expiry_warnings(ISSUER, found)) == (
        [*WARNED.warnings],
        [str(ends)],
    )
    told = with_result(ISSUER, found, fields, NOW)
    assert told is not None
    again = replace(found, message="ready again", expiring=(replace(ends, advice="rotate it now"),))
    assert (new_warnings(told, again), new_expiry_warnings(told, again)) == ([], [])
