"""`explain certificate/NAME` where there is no request: what cert-manager says, and what is missing."""

from __future__ import annotations

from typing import Any

from issuer.inspection.answers import GOOD, explain_target
from issuer.inspection.objects.account import Mark, ObjectAccount
from issuer.inspection.objects.certificates import certificate_account
from issuer.inspection.objects.issuers import TrialOptions
from issuer.inspection.objects.tables import show_account
from issuer.inspection.target import InspectionTarget
from tests.builders import NOW, certificate_request, condition
from tests.unit.inspection.scene import EVENTS, ISSUER, REQUESTS, Scene, event, issuer, plain, ready
from tests.unit.kube.fake_api import json, listing, refuse

CERTIFICATE = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
CLUSTER_ISSUERS = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers"
ISSUERS = "/apis/vault-issuer.io/v1alpha1/namespaces/team-a/vaultissuers"
WEB = InspectionTarget("Certificate", "team-a", "web")


def certificate(
    *conditions: dict[str, Any], reference: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    """A Certificate as cert-manager left it."""
    own = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "demo"}
    return {
        "metadata": {"name": "web", "namespace": "team-a", "uid": "uid-web"},
        "spec": {"secretName": "web-tls", "issuerRef": reference or own},
        "status": {"conditions": list(conditions), **status},
    }


ISSUING = condition("Issuing", "True", "DoesNotExist", "Issuing certificate as Secret does not exist")
NOT_READY = condition("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist")


async def account(scene: Scene, obj: dict[str, Any], *events: dict[str, Any]) -> ObjectAccount:
    scene.api.on("GET", EVENTS, listing("1", *events))
    return await certificate_account(scene.reader, obj, NOW)


def found_of(found: ObjectAccount, name: str) -> tuple[Mark, str]:
    return next((one.mark, one.text) for one in found.items if one.name == name)


async def test_cert_managers_words_and_a_missing_issuer_are_told(scene: Scene) -> None:
    scene.api.on("GET", ISSUER, refuse(404, "NotFound"))
    scene.api.on("GET", CLUSTER_ISSUERS, listing("1", issuer()))
    scene.api.on("GET", ISSUERS, listing("1"))
    noted = event("Issuing", "Issuing certificate as Secret does not exist", "uid-web")
    found = await account(scene, certificate(ISSUING, NOT_READY), noted)
    mark, text = found_of(found, "cert-manager")
    assert (mark, "Issuing certificate as Secret does not exist" in text) == (Mark.BAD, True)
    assert found_of(found, "Issuer") == (Mark.BAD, 'there is no VaultClusterIssuer "demo"')
    assert found_of(found, "Request")[0] is Mark.BAD
    assert not found.good
    shown = plain(lambda to: show_account(found, to))
    assert "kubectl patch certificate web -n team-a --type merge -p" in shown
    assert "kubectl describe certificate web -n team-a" in shown
    assert "Issuing certificate as Secret does not exist" in shown


async def test_a_forgotten_group_is_told_with_the_command_that_sets_it(scene: Scene) -> None:
    scene.api.on("GET", CLUSTER_ISSUERS, listing("1", issuer()))
    scene.api.on("GET", ISSUERS, listing("1"))
    reference = {"kind": "VaultClusterIssuer", "name": "demo"}
    found = await account(scene, certificate(NOT_READY, reference=reference))
    mark, text = found_of(found, "Issuer")
    assert (mark, 'API group "cert-manager.io"' in text) == (Mark.BAD, True)
    assert any('"group":"vault-issuer.io"' in one.command for one in found.cures)


async def test_an_issuer_that_is_not_ready_is_to_be_explained(scene: Scene) -> None:
    scene.api.on("GET", ISSUER, json(issuer("VaultSealed", "unseal it")))
    found = await account(scene, certificate(ISSUING))
    assert "not Ready (VaultSealed): unseal it" in found_of(found, "Issuer")[1]
    assert any(one.command == "kubectl vault-issuer explain vaultclusterissuer/demo" for one in found.cures)


async def test_without_conditions_cert_manager_has_not_looked(scene: Scene) -> None:
    scene.api.on("GET", ISSUER, refuse(403, "Forbidden"))
    found = await account(scene, certificate())
    assert found_of(found, "cert-manager")[1] == "it has not looked at the Certificate yet"
    assert found_of(found, "Issuer")[0] is Mark.NOT_KNOWN
    assert found.gaps


async def test_an_issued_one_without_a_request_is_good(scene: Scene) -> None:
    scene.api.on("GET", ISSUER, json(issuer()))
    obj = certificate(condition("Ready"), renewalTime="2027-01-01T00:00:00Z")
    found = await account(scene, obj)
    assert found.good
    assert found_of(found, "Request")[1].endswith("cert-manager makes the next at 2027-01-01T00:00:00Z")


async def test_failed_tries_say_when_the_next_comes(scene: Scene) -> None:
    scene.api.on("GET", ISSUER, json(issuer()))
    last = NOW.isoformat().replace("+00:00", "Z")
    found = await account(scene, certificate(NOT_READY, failedIssuanceAttempts=3, lastFailureTime=last))
    text = found_of(found, "Tries")[1]
    assert text.startswith("it failed 3 times in a row")
    assert "next try comes at 2026-11-22T16:00:00Z" in text


async def test_cert_managers_words_stand_beside_an_issued_request(scene: Scene) -> None:
    obj = certificate_request("one", username="jane", conditions=[ready("True", "Issued", "by demo")])
    obj["metadata"]["ownerReferences"] = [{"kind": "Certificate", "name": "web", "uid": "uid-web"}]
    scene.api.on("GET", ISSUER, json(issuer()))
    scene.api.on("GET", EVENTS, listing("1"))
    answer = json(certificate(NOT_READY, ISSUING))
    scene.api.on("GET", CERTIFICATE, answer, answer)
    scene.api.on("GET", REQUESTS, listing("1", obj))
    found = await explain_target(scene.reader, WEB, TrialOptions(), NOW)
    assert found.exit_code == GOOD
    assert found.data["why"] == [
        "it has its certificate: by demo",
        f"cert-manager says of the Certificate: Ready False (DoesNotExist): {NOT_READY['message']}",
    ]
