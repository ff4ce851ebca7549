"""`explain`: every state says why, and what to do next."""

from __future__ import annotations

from functools import partial
from typing import Any

from issuer.inspection.request.diagnosis import Diagnosis, diagnose, needs_controllers
from issuer.inspection.request.report import diagnosis_json
from issuer.inspection.request.tables import show_diagnosis
from tests.builders import certificate_request, condition, signing_request
from tests.ca import TestCA
from tests.unit.inspection.scene import CSR, CSR_ONE, Scene, event, issued, issuer, plain, policy, ready
from tests.unit.kube.fake_api import json, listing

WORKING = [{"leads": True}]
NOBODY: list[dict[str, Any]] = [{"leads": False}]
DEFAULT_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


def text(found: Diagnosis) -> str:
    """All of it."""
    return " ".join([*found.reasons, *(one.text for one in found.advice)])


async def test_an_issued_request_needs_nothing(scene: Scene, ca: TestCA) -> None:
    details = await scene.told(issued(ca), issuer=issuer()).gather()
    found = diagnose(details, None)
    assert not needs_controllers(details)
    assert found.reasons[0].startswith('it has its certificate: Issued by VaultClusterIssuer "demo"')
    assert found.advice == ()


async def test_a_broken_issuer_is_named_with_its_reason(scene: Scene) -> None:
    obj = certificate_request(username="jane", conditions=[ready("False", "Pending", "VaultSealed")])
    told = scene.told(obj, issuer=issuer("VaultSealed", "unseal it")).judged(policy())
    found = diagnose(await told.gather(), WORKING)
    assert "VaultClusterIssuer demo is not Ready (VaultSealed): unseal it" in found.reasons
    assert "Mend the issuer" in found.advice[0].text
    assert len(found.advice) == 1


async def test_a_missing_issuer_is_told(scene: Scene) -> None:
    told = scene.told(certificate_request(username="jane")).judged(policy())
    assert "there is no VaultClusterIssuer demo" in diagnose(await told.gather(), WORKING).reasons


async def test_a_request_without_a_policy_gets_one_to_apply(scene: Scene) -> None:
    details = await scene.told(certificate_request(username="jane"), issuer=issuer()).judged().gather()
    found = diagnose(details, WORKING)
    assert "no policy applies to it" in found.reasons
    assert "kind: CertificateRequestPolicy" in found.advice[0].yaml
    shown = plain(partial(show_diagnosis, details, found))
    assert "kind: CertificateRequestPolicy" in shown
    assert diagnosis_json(details, found)["do"][0]["yaml"] == found.advice[0].yaml


async def test_a_denial_says_what_the_policies_want_and_how_to_ask_again(scene: Scene) -> None:
    denied = condition("Denied", reason="vault-issuer.io", message="No policy approved this request")
    obj = certificate_request(username="jane", conditions=[denied, ready("False", "Denied", "no")])
    obj["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "web"}
    details = await scene.told(obj, issuer=issuer()).judged(policy("web", "other.test")).gather()
    found = diagnose(details, None)
    assert found.reasons[0] == (
        "the policies denied it. This is final: the request will not be retried: "
        "No policy approved this request"
    )
    assert "a.lab.example.test" in found.advice[0].yaml
    assert "cmctl renew web -n team-a" in found.advice[-1].text


async def test_a_denial_that_the_policies_would_not_repeat_says_so(scene: Scene) -> None:
    denied = condition("Denied", reason="vault-issuer.io", message="no")
    obj = certificate_request(username="jane", conditions=[denied, ready("False", "Denied", "no")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert "the policy web would approve it by now" in found.reasons


async def test_anothers_denial_is_anothers(scene: Scene) -> None:
    denied = condition("Denied", reason="approver", message="not today")
    obj = certificate_request(username="jane", conditions=[denied, ready("False", "Denied", "no")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert found.reasons == (
        "another approver (approver) denied it. This is final: the request will not be retried: not today",
    )


async def test_a_failure_says_what_failed(scene: Scene) -> None:
    obj = certificate_request(username="jane", conditions=[ready("False", "Failed", "RefusedByVault: role")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert found.reasons == (
        "it failed. This is final: the request will not be retried: RefusedByVault: role",
    )
    assert "Make a new request" in found.advice[0].text


async def test_an_external_approval_is_waited_for(scene: Scene) -> None:
    told = scene.told(certificate_request(username="jane"), issuer=issuer(approval="External")).judged(
        policy()
    )
    found = diagnose(await told.gather(), WORKING)
    assert any("spec.approval External" in one for one in found.reasons)
    assert "cmctl approve one -n team-a" in text(found)


async def test_a_kubernetes_request_wants_an_approval_and_tells_its_event(scene: Scene) -> None:
    told = scene.told(
        signing_request(),
        path=CSR,
        issuer=issuer(),
        events=listing("1", event("Pending", "wait for it", uid="uid-of-csr-one")),
        events_path=DEFAULT_EVENTS,
    )
    scene.api.on("GET", "/apis/vault-issuer.io/v1alpha1/certificaterequestpolicies", listing("1"))
    found = diagnose(await told.gather(CSR_ONE), WORKING)
    assert found.reasons[0] == "the controller says: wait for it"
    assert "kubectl certificate approve one" in text(found)
    assert "matchNames" not in found.advice[-1].yaml, "it has no namespace"
    assert "kind: ClusterRoleBinding" in found.advice[-1].yaml


async def test_where_nothing_is_in_the_way_it_matters_whether_anybody_works(scene: Scene) -> None:
    for controllers, wanted in ((WORKING, "waits for its turn"), (NOBODY, "kubectl get pods")):
        told = scene.told(certificate_request(username="jane"), issuer=issuer()).judged(policy())
        found = diagnose(await told.gather(), controllers)
        assert wanted in text(found)


async def test_a_request_of_another_issuer_is_left_alone(scene: Scene) -> None:
    other = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "le"}
    obj = certificate_request(issuerRef=other)
    scene.api.on("GET", "/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests/one", json(obj))
    scene.api.on("GET", "/apis/events.k8s.io/v1/namespaces/team-a/events", listing("1"))
    details = await scene.gather()
    found = diagnose(details, None)
    assert not needs_controllers(details)
    assert "answers only for those of vault-issuer.io" in found.reasons[0]
    assert found.advice == ()


async def test_a_request_in_deletion_gets_no_answer(scene: Scene) -> None:
    obj = certificate_request(username="jane")
    obj["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert "being deleted" in found.reasons[0]
