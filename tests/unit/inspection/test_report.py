"""`inspect`: a request taken apart, whatever is in it, as far as it may be read."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from cryptography import x509

from issuer.inspection.request.details import RequestDetails
from issuer.inspection.request.report import report
from issuer.inspection.request.tables import show_report
from tests.builders import NOW, certificate_request, condition, csr_with, signing_request
from tests.ca import TestCA, pem
from tests.unit.inspection.scene import (
    CSR,
    CSR_ONE,
    EVENTS,
    ISSUER,
    POLICIES,
    REQUEST,
    Scene,
    encoded,
    event,
    issued,
    issuer,
    plain,
    policy,
    printed,
    ready,
)
from tests.unit.kube.fake_api import json, listing, refuse


def table(details: RequestDetails, found: dict[str, Any]) -> str:
    """The report for people, on one line."""
    return plain(partial(show_report, details, found))


async def test_an_issued_request_is_shown_from_the_csr_to_the_root(scene: Scene, ca: TestCA) -> None:
    told = listing("1", event("CertificateDiffers", "usages were added"), event("Other", "no", uid="another"))
    details = await scene.told(issued(ca), issuer=issuer(), events=told).gather()
    found = report(details, NOW)
    assert scene.api.called("GET")[-1].query["fieldSelector"] == "regarding.uid=uid-of-team-a-one"
    assert found["state"]["state"] == "Issued"
    assert found["request"]["requester"]["username"] == "jane"
    assert found["decision"] | {"time": ""} == {
        "decided": "Approved",
        "by": "policy",
        "reason": "vault-issuer.io",
        "message": 'Approved by CertificateRequestPolicy "web"',
        "time": "",
        "policies": None,
    }
    assert found["csr"]["names"] == ["DNS name a.lab.example.test"]
    assert found["csr"]["key"] == "ECDSA 256"
    certificate = found["certificate"]
    assert certificate["names"] == ["DNS a.lab.example.test"]
    assert (certificate["notAfter"], certificate["left"]) == ("2026-11-23T12:00:00Z", "24h0m0s")
    assert certificate["extendedKeyUsages"] == ["server auth"]
    chain = found["chain"]
    assert (chain["holds"], chain["complete"], chain["problem"]) == (True, True, "")
    assert [one["subject"] for one in chain["certificates"]] == ["", "CN=Test Intermediate", "CN=Test Root"]
    assert [one["signature"] for one in chain["certificates"]] == [
        "CN=Test Intermediate, verified",
        "CN=Test Root, verified",
        "itself, verified",
    ]
    assert [(one["code"], one["fatal"]) for one in found["differences"]] == [("UsageAdded", False)]
    assert [one["reason"] for one in found["events"]] == ["CertificateDiffers"]
    assert found["trouble"] == found["notShown"] == []
    text = table(details, found)
    for shown in (
        "VaultClusterIssuer demo",
        "by policy",
        certificate["serial"],
        "CN=Test Root",
        "were added",
    ):
        assert shown in text


async def test_a_certificate_that_is_not_what_was_asked_for_is_trouble(scene: Scene, ca: TestCA) -> None:
    obj = issued(ca, extra_dns=("evil.example.test",))
    found = report(await scene.told(obj, issuer=issuer()).gather(), NOW)
    assert ["evil.example.test" in one for one in found["trouble"]] == [True]


async def test_a_chain_of_other_cas_does_not_hold_and_says_at_which_link(scene: Scene, ca: TestCA) -> None:
    other = TestCA.make()
    obj = issued(ca)
    leaf = ca.sign(pem_of(obj)).leaf_pem
    obj["status"]["certificate"] = encoded(leaf + pem(other.intermediate))
    obj["status"]["ca"] = encoded(pem(other.root))
    details = await scene.told(obj, issuer=issuer()).gather()
    found = report(details, NOW)
    assert found["chain"]["holds"] is False
    assert found["chain"]["certificates"][0]["signature"].startswith("NOT VERIFIED")
    assert found["chain"]["certificates"][1]["signature"] == "CN=Test Root, verified"
    assert "signature doesn't verify" in found["trouble"][0]
    assert "DOES NOT HOLD" in table(details, found)


def pem_of(obj: dict[str, Any]) -> str:
    """The CSR of a request."""
    return base64.b64decode(obj["spec"]["request"]).decode()


async def test_a_certificate_that_has_ended_is_trouble(scene: Scene, ca: TestCA) -> None:
    details = await scene.told(issued(ca), issuer=issuer()).gather()
    found = report(details, NOW + timedelta(days=2))
    assert found["certificate"]["left"] == "-24h0m0s"
    assert found["chain"]["holds"] is False
    assert "has expired" in found["trouble"][0]
    assert found["differences"] == report(details, NOW)["differences"], "they are those of when it was issued"


async def test_a_waiting_request_is_shown_with_what_would_decide_it(scene: Scene) -> None:
    obj = certificate_request(username="jane", conditions=[ready("False", "Pending", "no policy")])
    details = await scene.told(obj, issuer=issuer()).judged(policy("web", "other.test")).gather()
    found = report(details, NOW)
    assert found["certificate"] is None
    assert found["decision"]["decided"] == ""
    assert found["decision"]["policies"]["decision"] == "Denied"
    assert "other.test" in table(details, found)
    assert found["trouble"] == []


async def test_what_the_csr_asks_for_beyond_the_spec_is_told(scene: Scene) -> None:
    asked = csr_with(
        x509.BasicConstraints(ca=True, path_length=1),
        x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.9")]),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(200)),
    )
    obj = certificate_request(request=asked, username="jane")
    found = report(await scene.told(obj, issuer=issuer()).judged(policy()).gather(), NOW)
    by_oid = {one["oid"]: one for one in found["csr"]["extensions"]}
    assert by_oid["2.5.29.19"]["value"] == "CA:TRUE, path length 1"
    assert by_oid["2.5.29.37"]["value"] == "ocsp signing"
    assert by_oid["1.2.3.4"]["value"].endswith("… (200 bytes)")
    fields = {one.partition(":")[0] for one in found["specDifferences"]}
    assert fields == {"isCA", "usages", "extensions[1.2.3.4]"}


async def test_nothing_that_others_wrote_reaches_the_terminal_as_more_than_text(scene: Scene) -> None:
    evil = "\x1b[31m\x07[red]x[/red]\u202e\r\n"
    subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, evil)])
    obj = certificate_request(
        request=csr_with(x509.SubjectAlternativeName([x509.DNSName("a.test")]), subject=subject),
        username=evil,
        groups=[evil],
        issuer=evil,
        usages=[evil],
        conditions=[ready("False", "Pending", evil)],
    )
    obj["metadata"]["annotations"] = {"cert-manager.io/certificate-name": evil}
    scene.api.on("GET", REQUEST, json(obj))
    scene.api.on("GET", EVENTS, listing("1", event(evil, evil)))
    for place in ("vaultclusterissuers", "namespaces/team-a/vaultissuers"):
        scene.api.on("GET", f"/apis/vault-issuer.io/v1alpha1/{place}", listing("1"))
    details = await scene.judged(policy()).gather()
    found = report(details, NOW)
    text = printed(partial(show_report, details, found))
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\r" not in text
    assert "[red]x[/red]" in text, "markup stays text"
    assert found["issuer"]["message"] == "there is no such issuer"


async def test_a_csr_that_can_not_be_read_says_why(scene: Scene) -> None:
    obj = certificate_request(request="!", conditions=[ready("False", "Failed", "spec.request: no")])
    details = await scene.told(obj, issuer=issuer()).gather()
    found = report(details, NOW)
    assert found["csr"] == {"problem": "spec.request is not base64"}
    assert found["state"]["state"] == "Failed"
    assert "spec.request is not base64" in table(details, found)


@pytest.mark.parametrize("content", ["!", encoded("no pem"), encoded("-----BEGIN CERTIFICATE-----\n")])
async def test_a_certificate_that_can_not_be_read_is_trouble(scene: Scene, ca: TestCA, content: str) -> None:
    obj = issued(ca)
    obj["status"]["certificate"] = content
    found = report(await scene.told(obj, issuer=issuer()).gather(), NOW)
    assert found["chain"] is None
    assert found["trouble"][0].startswith("the certificate can't be read")


async def test_what_may_not_be_read_is_named_and_the_rest_shown(scene: Scene) -> None:
    obj = certificate_request(username="jane")
    scene.api.on("GET", REQUEST, json(obj))
    for path in (ISSUER, POLICIES, EVENTS):
        scene.api.on("GET", path, refuse(403, "Forbidden"))
    details = await scene.gather()
    found = report(details, NOW)
    assert found["csr"]["names"] == ["DNS name a.lab.example.test"]
    assert found["issuer"]["message"] == "it may not be read"
    issuer_gap, policies_gap, events_gap = found["notShown"]
    assert "get of vaultclusterissuers.vault-issuer.io" in issuer_gap
    assert "create of subjectaccessreviews" in policies_gap
    assert "list of events.events.k8s.io in the namespace team-a" in events_gap
    assert "Not shown" in table(details, found)


async def test_a_kubernetes_request_has_no_root_and_its_policies_see_no_namespace(
    scene: Scene, ca: TestCA
) -> None:
    obj = signing_request(conditions=[condition("Approved", reason="Test")])
    signed = ca.sign(pem_of(obj))
    obj["status"]["certificate"] = encoded(signed.leaf_pem + pem(ca.intermediate))
    default = "/apis/events.k8s.io/v1/namespaces/default/events"
    details = await scene.told(obj, path=CSR, issuer=issuer(), events_path=default).gather(CSR_ONE)
    found = report(details, NOW)
    assert (found["chain"]["holds"], found["chain"]["complete"]) == (True, False)
    assert found["decision"]["by"] == "another approver"
    assert "no root" in table(details, found)


@pytest.mark.parametrize(("leaves_life", "codes"), [(True, []), (False, ["LifeTooLong"])])
async def test_a_life_that_was_left_to_the_ca_is_no_difference(
    scene: Scene, ca: TestCA, leaves_life: bool, codes: list[str]
) -> None:
    request = issued(ca, life=timedelta(days=180))
    del request["spec"]["duration"]
    details = await scene.told(request, issuer=issuer()).gather()
    assert details.issuer_profile is not None
    profile = replace(details.issuer_profile, leaves_life=leaves_life)
    found = report(replace(details, issuer_profile=profile), NOW)
    assert [one["code"] for one in found["differences"] if one["code"].startswith("Life")] == codes
