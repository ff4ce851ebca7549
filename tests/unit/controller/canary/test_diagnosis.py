"""Which stage is broken, by what a request and its issuer say."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.controller.canary.diagnosis import API_REASONS, lateness, refusal
from issuer.controller.canary.history import Stage
from issuer.policy.decision import evaluate
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.reason_message import Opening
from issuer.x509.request import decode_request
from tests.builders import approved, certificate_request, condition, issuer_object

ROBOT = "system:serviceaccount:vault-issuer-system:vault-issuer"


def asked(*conditions: dict[str, Any], **spec: Any) -> CertificateRequest:
    return CertificateRequest(certificate_request(conditions=list(conditions), username=ROBOT, **spec))


def not_ready(reason: str, message: str = "") -> dict[str, Any]:
    return condition("Ready", "False", reason, message)


def issuer(reason: str, **own: Any) -> dict[str, Any]:
    """The issuer, not Ready for that reason; Ready for "Ready"."""
    ready = condition("Ready", "True" if reason == "Ready" else "False", reason, "why it is so")
    return {**issuer_object(**own), "status": {"conditions": [ready]}}


def test_an_issued_request_is_no_refusal() -> None:
    assert refusal(asked(approved(), condition("Ready", "True", "Issued"))) is None


@pytest.mark.parametrize(
    ("conditions", "stage"),
    [
        ([condition("Denied", message="dnsNames"), not_ready("Denied", "dnsNames")], Stage.POLICY),
        ([not_ready("Failed", f"{Opening.ALLOWED_BY_NONE}: dnsNames")], Stage.POLICY),
        ([not_ready("Failed", f"{Opening.NOT_AS_ASKED} (another key)")], Stage.CHAIN),
        ([not_ready("Failed", "RefusedByVault: no")], Stage.ISSUER),
        ([not_ready("Failed", "")], Stage.ISSUER),
    ],
)
def test_a_final_answer_without_a_certificate_names_its_stage(
    conditions: list[dict[str, Any]], stage: Stage
) -> None:
    found = refusal(asked(*conditions))
    assert found is not None
    assert found.stage is stage
    assert found.message


def test_a_denial_says_who_must_be_allowed_what() -> None:
    found = refusal(asked(condition("Denied", message="dnsNames: no"), not_ready("Denied")))
    assert found is not None
    assert "dnsNames: no" in found.message
    assert ROBOT in found.message
    assert 'namespace "team-a"' in found.message


def test_what_the_policies_say_of_no_policy_is_known_for_policy() -> None:
    request = asked()
    facts = RequestFacts(
        name="one",
        namespace="team-a",
        username=ROBOT,
        groups=(),
        issuer=IssuerReference("demo", "VaultClusterIssuer", "vault-issuer.io"),
        csr=decode_request(request.spec["request"]),
        duration=None,
        usages=(),
        is_ca=False,
    )
    for invalid in ({}, {"broken": "it can't be read"}):
        decision = evaluate((), invalid, facts, {}).decide({})
        assert decision is not None
        for names in (True, False):
            waiting = asked(not_ready("Pending", decision.summary(names=names)))
            assert lateness(waiting, issuer("Ready"), 30).stage is Stage.POLICY


WAITS = "VaultClusterIssuer demo is not Ready"


@pytest.mark.parametrize(
    ("message", "stage"),
    [
        (f"{WAITS} (VaultSealed): Vault is sealed", Stage.ISSUER),
        (f"{WAITS} (ApprovalForbidden): grant it", Stage.API),
        (f"{WAITS} (NoPolicy): write one", Stage.POLICY),
        ("VaultRateLimited: later", Stage.ISSUER),
        ("KubernetesUnavailable: could not ask", Stage.API),
        ("there is no VaultClusterIssuer demo; create it", Stage.ISSUER),
    ],
)
def test_a_request_that_waits_is_judged_by_the_reason_it_gives(message: str, stage: Stage) -> None:
    found = lateness(asked(not_ready("Pending", message)), issuer("Ready"), 30)
    assert (found.stage, found.message) == (stage, message)


def test_a_reason_that_the_request_lacks_is_its_issuers() -> None:
    told = "its certificate is signed, and the API server refuses its status"
    found = lateness(asked(not_ready("Pending", told)), issuer("StatusWriteRefused"), 30)
    assert found.stage is Stage.API


@pytest.mark.parametrize("reason", sorted(API_REASONS))
def test_a_silent_request_of_an_issuer_that_is_refused_something_is_the_api_servers(reason: str) -> None:
    found = lateness(asked(), issuer(reason), 30)
    assert found.stage is Stage.API
    assert "why it is so" in found.message


@pytest.mark.parametrize("found", [None, issuer("Ready"), issuer("VaultSealed"), issuer_object()])
def test_a_request_that_nobody_said_anything_to_is_the_controllers(found: dict[str, Any] | None) -> None:
    broken = lateness(asked(), found, 30)
    assert broken.stage is Stage.CONTROLLER
    assert "30 seconds" in broken.message


def test_a_silent_approver_is_a_policy() -> None:
    outside = issuer("Ready", approval="External")
    assert lateness(asked(), outside, 30).stage is Stage.POLICY
    assert lateness(asked(approved()), outside, 30).stage is Stage.CONTROLLER
