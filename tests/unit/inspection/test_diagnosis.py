"""`explain`: every state says why, and what to do next."""

from __future__ import annotations

from functools import partial
from typing import Any

from issuer.inspection.request.diagnosis import Diagnosis, diagnose, needs_controllers
from issuer.inspection.request.report import diagnosis_json
from issuer.inspection.request.tables import show_diagnosis
from tests.builders import certificate_request, condition, signing_request
from tests.ca import TestCA
from tests.unit.inspection.scene import (
    CSR,
    CSR_ONE,
    EVENTS,
    REQUEST,
    Scene,
    event,
    issued,
    issuer,
    plain,
    policy,
    ready,
)
from tests.unit.kube.fake_api import json, listing

WORKING = [{"leads": True}]
NOBODY: list[dict[str, Any]] = [{"leads": False}]
FINAL = "that is final: this request will not be retried"
DEFAULT_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


def text(found: Diagnosis) -> str:
    """All of it."""
    return " ".join([*found.reasons, *(f"{one.text} {one.command}" for one in found.advice)])


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
    assert 'VaultClusterIssuer "demo" is not Ready (VaultSealed): unseal it' in found.reasons
    assert "Correct the issuer" in found.advice[0].text
    assert len(found.advice) == 1


OF_CERTIFICATE = {"annotations": {"cert-manager.io/certificate-name": "web"}}
IN_REACH = (
    "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers",
    "/apis/vault-issuer.io/v1alpha1/namespaces/team-a/vaultissuers",
)


def there(scene: Scene, cluster: tuple[str, ...] = (), own: tuple[str, ...] = ()) -> Scene:
    """The issuers that there are: of the cluster, and of the request's namespace."""
    for path, names in zip(IN_REACH, (cluster, own), strict=True):
        scene.api.on("GET", path, listing("1", *({"metadata": {"name": name}} for name in names)))
    return scene


async def test_a_missing_issuer_is_told_with_what_to_name_instead_and_no_policy(scene: Scene) -> None:
    obj = certificate_request(username="jane")
    obj["metadata"] |= OF_CERTIFICATE
    told = there(scene.told(obj).judged(), cluster=("demo1", "prod"), own=("demo",))
    details = await told.gather()
    found = diagnose(details, WORKING)
    assert 'there is no VaultClusterIssuer "demo"' in found.reasons
    assert not any("polic" in one for one in (*found.reasons, *(one.text for one in found.advice)))
    (advice,) = found.advice
    assert advice.text.startswith('Edit issuerRef of the Certificate "web"; a new request follows at once.')
    assert 'There is VaultIssuer "team-a/demo" and VaultClusterIssuer "demo1".' in advice.text
    assert advice.command == (
        "kubectl patch certificate web -n team-a --type merge -p "
        '\'{"spec":{"issuerRef":{"group":"vault-issuer.io","kind":"VaultIssuer","name":"demo"}}}\''
    )
    shown = plain(partial(show_diagnosis, details, found))
    assert advice.command in shown
    assert "The policies now" not in shown


async def test_a_wrong_kind_is_told_with_the_issuers_of_that_name(scene: Scene) -> None:
    reference = {"group": "vault-issuer.io", "kind": "Issuer", "name": "demo"}
    obj = certificate_request(username="jane", issuerRef=reference)
    obj["metadata"] |= OF_CERTIFICATE
    scene.api.on("GET", REQUEST, json(obj))
    scene.api.on("GET", EVENTS, listing("1"))
    found = diagnose(await there(scene, cluster=("demo",)).gather(), None)
    assert "is not a kind of group vault-issuer.io" in found.reasons[0]
    assert '"kind":"VaultClusterIssuer"' in found.advice[0].command


async def test_what_a_request_says_of_its_certificate_is_quoted_for_the_shell(scene: Scene) -> None:
    obj = certificate_request(username="jane")
    obj["metadata"]["annotations"] = {"cert-manager.io/certificate-name": "web; reboot"}
    found = diagnose(await there(scene.told(obj).judged()).gather(), WORKING)
    assert found.advice[0].command == "kubectl edit certificate 'web; reboot' -n team-a"


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
    assert found.reasons[0] == "the policies denied it: No policy approved this request"
    assert FINAL in found.reasons
    assert "a.lab.example.test" in found.advice[0].yaml
    assert found.advice[-1].command == "kubectl vault-issuer renew web -n team-a"


async def test_a_denial_that_the_policies_would_not_repeat_says_so(scene: Scene) -> None:
    denied = condition("Denied", reason="vault-issuer.io", message="no")
    obj = certificate_request(username="jane", conditions=[denied, ready("False", "Denied", "no")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert 'the policy "web" would approve it by now' in found.reasons


async def test_anothers_denial_is_anothers(scene: Scene) -> None:
    denied = condition("Denied", reason="approver", message="not today")
    obj = certificate_request(username="jane", conditions=[denied, ready("False", "Denied", "no")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert found.reasons == ("another approver (approver) denied it: not today", FINAL)


async def test_a_failure_says_what_failed(scene: Scene) -> None:
    obj = certificate_request(username="jane", conditions=[ready("False", "Failed", "RefusedByVault: role")])
    found = diagnose(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), None)
    assert found.reasons == ("it failed: RefusedByVault: role", FINAL)
    assert "Make a new request" in found.advice[0].text


async def test_what_the_controller_says_of_the_issuer_is_said_once(scene: Scene) -> None:
    sentence = 'VaultClusterIssuer "demo" is not Ready (VaultSealed): unseal it'
    obj = certificate_request(username="jane", conditions=[ready("False", "Pending", sentence)])
    told = scene.told(obj, issuer=issuer("VaultSealed", "unseal it")).judged(policy())
    found = diagnose(await told.gather(), WORKING)
    assert found.reasons == (f"the controller says: {sentence}",)
    assert "Correct the issuer" in text(found)


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
