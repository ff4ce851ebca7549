"""The status that a check leads to, by the fields that a CRD has."""

from __future__ import annotations

from typing import Any

from issuer.controller.issuers.status import CheckResult, with_result
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
