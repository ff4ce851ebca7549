"""What a Kubernetes CertificateSigningRequest asks for, and the answers it can be given."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from issuer.controller.state.reasons import ControllerFailure
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import DURATION, IS_CA, KubernetesCSR
from issuer.requests.request import BadSpec, RequestKey
from issuer.x509.request import read_request
from tests.builders import NOW, approved, condition, csr_with, signing_request

CLUSTER = "vaultclusterissuers.vault-issuer.io"
NAMESPACED = "vaultissuers.vault-issuer.io"


def csr(**more: Any) -> KubernetesCSR:
    return KubernetesCSR(signing_request(**more))


@pytest.mark.parametrize(
    ("signer", "issuer"),
    [
        (f"{CLUSTER}/demo", IssuerKey("VaultClusterIssuer", "", "demo")),
        (f"{CLUSTER}/demo.example.com", IssuerKey("VaultClusterIssuer", "", "demo.example.com")),
        (f"{NAMESPACED}/team-a.demo", IssuerKey("VaultIssuer", "team-a", "demo")),
        (f"{NAMESPACED}/team-a.demo.example.com", IssuerKey("VaultIssuer", "team-a", "demo.example.com")),
    ],
)
def test_a_signer_name_stands_for_an_issuer(signer: str, issuer: IssuerKey) -> None:
    found = csr(signer=signer)
    assert found.is_ours
    assert found.issuer == issuer
    assert found.policy_namespace == issuer.namespace


@pytest.mark.parametrize("path", ["demo", "team-a.", ".demo", ""])
def test_a_signer_name_of_ours_that_names_no_issuer_is_told_how_to_be_written(path: str) -> None:
    found = csr(signer=f"{NAMESPACED}/{path}")
    assert found.is_ours
    with pytest.raises(BadSpec, match=f"{NAMESPACED}/NAMESPACE.NAME") as caught:
        _ = found.issuer
    assert caught.value.reason == "InvalidSignerName"


@pytest.mark.parametrize(
    "signer",
    [
        "kubernetes.io/kubelet-serving",
        "issuers.cert-manager.io/a.b",
        "others.vault-issuer.io/demo",
        "vault-issuer.io/demo",
        f"x.{CLUSTER}/demo",
        f"{CLUSTER}.example.com/demo",
        "",
    ],
)
def test_signers_of_others_are_not_ours(signer: str) -> None:
    assert not csr(signer=signer).is_ours


@pytest.mark.parametrize(
    ("more", "lasts"),
    [
        ({}, None),
        ({"expirationSeconds": 3600}, timedelta(hours=1)),
        ({"expirationSeconds": 3600, "annotations": {DURATION: "2h30m"}}, timedelta(hours=1)),
        ({"expirationSeconds": 7200, "annotations": {DURATION: "30m"}}, timedelta(minutes=30)),
        ({"annotations": {DURATION: "600s"}}, None),
        ({"annotations": {DURATION: "10000h"}}, None),
    ],
)
def test_the_annotation_only_shortens_the_lifetime(more: dict[str, Any], lasts: timedelta | None) -> None:
    assert csr(**more).duration == lasts


@pytest.mark.parametrize(
    ("annotations", "longest", "judged"),
    [
        ({}, None, timedelta(days=90)),
        ({DURATION: "600s"}, timedelta(minutes=10), timedelta(minutes=10)),
        ({DURATION: "10000h"}, timedelta(hours=10_000), timedelta(days=90)),
    ],
)
def test_who_names_no_seconds_gets_the_usual_life_within_the_annotation(
    annotations: dict[str, str], longest: timedelta | None, judged: timedelta
) -> None:
    request = csr(annotations=annotations)
    assert (request.duration, request.longest, request.judged_duration) == (None, longest, judged)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("90 days", "ErrorParseDuration"),
        ("", "ErrorParseDuration"),
        ("9" * 300 + "h", "ErrorParseDuration"),
        ("599s", "InvalidDuration"),
        ("-2h", "InvalidDuration"),
    ],
)
def test_a_lifetime_that_cannot_be_is_refused_with_cert_managers_reason(text: str, reason: str) -> None:
    with pytest.raises(BadSpec, match=DURATION) as caught:
        _ = csr(annotations={DURATION: text}, expirationSeconds=3600).duration
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("annotations", "is_ca"), [({}, False), ({IS_CA: "false"}, False), ({IS_CA: "true"}, True)]
)
def test_only_the_annotation_asks_for_a_ca(annotations: dict[str, str], is_ca: bool) -> None:
    assert csr(annotations=annotations, isCA=True).is_ca is is_ca


def ca_csr(*, ca: bool | None = True, path_length: int | None = None) -> bytes:
    """A CSR with basicConstraints, or none."""
    if ca is None:
        return csr_with()
    return csr_with(x509.BasicConstraints(ca=ca, path_length=path_length))


@pytest.mark.parametrize(
    ("request_pem", "usages", "lacks"),
    [
        (ca_csr(), ["cert sign"], ()),
        (ca_csr(path_length=0), ["digital signature", "cert sign", "crl sign"], ()),
        (ca_csr(), ["digital signature"], ('"cert sign" in spec.usages',)),
        (ca_csr(ca=None), ["cert sign"], ("CA:TRUE",)),
        (ca_csr(ca=False), ["cert sign"], ("CA:TRUE",)),
        (ca_csr(ca=None), ["crl sign"], ("CA:TRUE", '"cert sign"')),
    ],
)
def test_an_annotation_alone_makes_no_ca(
    request_pem: bytes, usages: list[str], lacks: tuple[str, ...]
) -> None:
    found = csr(request=request_pem, usages=usages, annotations={IS_CA: "true"})
    if not lacks:
        found.check(read_request(request_pem))
        return
    with pytest.raises(BadSpec, match=IS_CA) as caught:
        found.check(read_request(request_pem))
    assert caught.value.reason == "CAFlagsContradict"
    for text in lacks:
        assert text in str(caught.value)
    csr(request=request_pem, usages=usages).check(read_request(request_pem))  # no CA is asked for


@pytest.mark.parametrize("text", ["yes", "True", "1", " true", ""])
def test_a_ca_annotation_that_may_mean_anything_is_refused(text: str) -> None:
    with pytest.raises(BadSpec, match=IS_CA):
        _ = csr(annotations={IS_CA: text}).is_ca


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ({}, False),
        ({"conditions": [approved()]}, False),
        ({"conditions": [condition("Denied")]}, True),
        ({"conditions": [approved(), condition("Failed")]}, True),
        ({"conditions": [approved()], "certificate": "LS0t"}, True),
    ],
)
def test_it_is_finished_when_denied_failed_or_signed(status: dict[str, Any], finished: bool) -> None:
    assert KubernetesCSR({**signing_request(), "status": status}).finished is finished


def test_an_answer_keeps_what_others_wrote() -> None:
    found = csr(conditions=[approved()])
    issued = KubernetesCSR(found.issued(NOW, "signed", "LEAF", "ROOT", None))
    assert base64.b64decode(issued.object["status"]["certificate"]) == b"LEAF"
    assert issued.conditions == found.conditions
    assert issued.carries("LEAF")
    assert not issued.carries("OTHER")
    failed = KubernetesCSR(found.failed(NOW, ControllerFailure.POLICY_DENIED, "x" * 5000))
    assert failed.conditions[0] == approved()
    added = failed.conditions[1]
    assert (added["type"], added["status"], added["reason"]) == ("Failed", "True", "PolicyDenied")
    assert len(added["message"]) <= 1024
    assert failed.finished


def test_its_annotations_are_news_as_nothing_freezes_them() -> None:
    assert csr().news == csr(annotations={"other": "x"}).news
    for name in (DURATION, IS_CA):
        assert csr().news != csr(annotations={name: "2h"}).news


def test_its_key_tells_its_kind() -> None:
    assert csr().key == RequestKey("", "one")
    assert str(csr().key) == "CertificateSigningRequest one"


def test_a_key_tells_the_resource_that_its_request_is_of() -> None:
    """Both kinds are looked up by their key, as where another controller may have answered one."""
    assert [one.resource.plural for one in (RequestKey("", "one"), RequestKey("shop", "one"))] == [
        "certificatesigningrequests",
        "certificaterequests",
    ]
