"""sign, sign-verbatim and sign-intermediate: which path signs what, and that it comes out as asked for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.samples import certificate, everything_policy, policy
from testbed.vaultpki import DOMAIN, PkiLayout, setup_role, setup_token
from tests.builders import csr_pem, csr_with
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    events,
    only_policies,
    ready,
    revocations,
    set_condition,
    signed_csrs,
    wait_answer,
    wait_issued,
    webhook_validation_withdrawn,
)
from tests.integration.support.diverting_vault import DivertingVault
from tests.integration.support.scope import Scope, certificates_of, sweep
from tests.integration.support.signing_requests import CERTIFICATES, CLUSTER, CSR, ask, decide, wait_failed

AUTHORITY = "pki/root/sign-intermediate"
VERBATIM = "pki_int/sign-verbatim"
UPN = "1.3.6.1.4.1.311.20.2.3"
WITH_AUTHORITY = {"certificateAuthority": {"path": AUTHORITY, "maxPathLength": 1}}
CA_SPEC = {"isCA": True, "usages": ["cert sign"]}
CA_TRUE = x509.BasicConstraints(ca=True, path_length=None)
SUBJECT = x509.Name(
    [
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]),
        x509.RelativeDistinguishedName(
            [
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Two"),
                x509.NameAttribute(NameOID.USER_ID, "u1"),
            ]
        ),
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, f"a.{DOMAIN}")]),
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "One")]),
    ]
)
EVERY_NAME = x509.SubjectAlternativeName(
    [
        x509.DNSName(f"a.{DOMAIN}"),
        x509.DNSName(f"*.{DOMAIN}"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::7")),
        x509.UniformResourceIdentifier("spiffe://lab.example.test/a?b=c,d"),
        x509.RFC822Name("a@lab.example.test"),
        x509.OtherName(x509.ObjectIdentifier(UPN), b"\x0c\x08upn@test"),
    ]
)


def open_policy() -> Object:
    """The everything policy with otherNames and other attributes, and only for requesters who may use it."""
    found = everything_policy()
    allowed = found["spec"]["allowed"]
    allowed["otherNames"] = [{"oid": UPN, "values": ["*"]}]
    allowed["subject"]["otherAttributes"] = [{"oid": "0.9.2342.19200300.100.1.1", "values": ["*"]}]
    return found


def vault_token(bed: Testbed, name: str, paths: Sequence[str]) -> str:
    """A token that may update just these paths."""
    text = "".join(f'path "{path}" {{ capabilities = ["update"] }}\n' for path in paths)
    bed.vault.call("PUT", f"sys/policies/acl/{name}", {"policy": text})
    return setup_token(bed.vault, name)


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller for this module, and a policy that allows every name there is."""
    with only_policies(bed, open_policy()), ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
        sweep(bed)


@pytest.fixture(scope="module")
def token(bed: Testbed, layout: PkiLayout) -> str:
    """A token for every path used here."""
    signing = ("sign/*", "sign-verbatim", "sign-verbatim/*", "issuer/*", "revoke")
    paths = [*(f"pki_int/{path}" for path in signing), AUTHORITY, "pki/issuer/*", "pki/revoke"]
    return vault_token(bed, "every-mode", paths)


@pytest.fixture(params=["cluster", "namespaced"])
def scope(bed: Testbed, namespace: str, request: pytest.FixtureRequest) -> Scope:
    """An issuer of each kind in turn."""
    return Scope(bed, namespace, namespace, cluster=request.param == "cluster")


def extension(found: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    """The value of an extension, or None."""
    return next((one.value for one in found.extensions if isinstance(one.value, kind)), None)


def ca_request(*extensions: x509.ExtensionType, name: str = "Sub CA") -> bytes:
    """A CSR for a CA with that common name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return csr_with(*extensions, subject=subject)


def test_verbatim_gives_exactly_what_was_asked_for(scope: Scope, token: str, layout: PkiLayout) -> None:
    scope.apply_with_token(token, path=VERBATIM)
    scope.wait_ready()
    usages = ["content commitment", "key agreement", "email protection", "ipsec user", "microsoft sgc"]
    csr = csr_with(EVERY_NAME, subject=SUBJECT)
    found = scope.issue(csr=csr, usages=usages, duration="36h")
    leaf, intermediate = certificates_of(found)
    assert intermediate == x509.load_pem_x509_certificate(layout.intermediate_pem.encode())
    assert leaf.subject.public_bytes() == SUBJECT.public_bytes()
    assert set(extension(leaf, x509.SubjectAlternativeName)) == set(EVERY_NAME)
    usage = extension(leaf, x509.KeyUsage)
    assert (usage.content_commitment, usage.key_agreement) == (True, True)
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (False, False, False)
    assert {oid.dotted_string for oid in extension(leaf, x509.ExtendedKeyUsage)} == {
        ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
        "1.3.6.1.5.5.7.3.7",
        "1.3.6.1.4.1.311.10.3.3",
    }
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert timedelta(hours=36) <= life <= timedelta(hours=36, minutes=2)
    assert "Not as requested" not in ready(found)["message"]


def test_verbatim_adds_no_key_usage_where_none_was_asked_for(cluster: Scope, token: str) -> None:
    cluster.apply_with_token(token, path=VERBATIM)
    cluster.wait_ready()
    (leaf, _) = certificates_of(cluster.issue(usages=["client auth"]))
    assert extension(leaf, x509.KeyUsage) is None
    assert [oid.dotted_string for oid in extension(leaf, x509.ExtendedKeyUsage)] == ["1.3.6.1.5.5.7.3.2"]


def test_every_form_of_path_signs(cluster: Scope, token: str, layout: PkiLayout) -> None:
    issuer = f"pki_int/issuer/{layout.intermediate_issuer}"
    paths = (
        f"{VERBATIM}/lab",
        f"{issuer}/sign/lab",
        f"{issuer}/sign-verbatim",
        f"{issuer}/sign-verbatim/lab",
    )
    for number, path in enumerate(paths):
        before = len(signed_csrs(cluster.bed, path))
        cluster.apply_with_token(token, path=path)
        cluster.wait_checked()
        cluster.issue(f"n{number}")
        assert len(signed_csrs(cluster.bed, path)) == before + 1


def test_ca_requests_and_they_alone_go_to_the_path_for_them(
    scope: Scope, token: str, layout: PkiLayout
) -> None:
    scope.apply_with_token(token, WITH_AUTHORITY)
    scope.wait_ready()
    bed = scope.bed
    counts = [len(signed_csrs(bed, path)) for path in (AUTHORITY, layout.sign_path)]
    asked = x509.BasicConstraints(ca=True, path_length=0)
    found = scope.issue("deep", csr=ca_request(asked), isCA=True, usages=["cert sign"], duration="48h")
    (made,) = certificates_of(found)
    assert extension(made, x509.BasicConstraints) == asked
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(layout.root_pem.encode()))
    # Without a number of its own it gets the issuer's.
    (open_ended,) = certificates_of(scope.issue("any", csr=ca_request(), isCA=True, usages=["cert sign"]))
    assert extension(open_ended, x509.BasicConstraints).path_length == 1
    assert [len(signed_csrs(bed, path)) for path in (AUTHORITY, layout.sign_path)] == [
        counts[0] + 2,
        counts[1],
    ]
    scope.issue("leaf")
    assert [len(signed_csrs(bed, path)) for path in (AUTHORITY, layout.sign_path)] == [
        counts[0] + 2,
        counts[1] + 1,
    ]


def test_a_ca_certificate_becomes_a_secret_with_the_root_beside_it(
    cluster: Scope, token: str, layout: PkiLayout
) -> None:
    cluster.apply_with_token(token, WITH_AUTHORITY, path=VERBATIM)
    cluster.wait_ready()
    wanted = certificate("sub", cluster.namespace, cluster.name, (), commonName="Sub CA", isCA=True)
    del wanted["spec"]["dnsNames"]
    cluster.bed.kube.apply(wanted)
    cluster.bed.kube.wait(CERT_MANAGER, "Certificate", "sub", cluster.namespace)
    found = Delivered.from_secret(cluster.bed.kube.get("v1", "Secret", "sub-tls", cluster.namespace))
    assert extension(found.leaf, x509.BasicConstraints) == x509.BasicConstraints(ca=True, path_length=1)
    assert found.key_matches
    assert found.ca_pem.strip() == layout.root_pem.strip()


MISMATCHES: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "leaf-says-ca": (csr_with(EVERY_NAME, CA_TRUE), {}, "CA:TRUE"),
    "ca-says-leaf": (
        ca_request(x509.BasicConstraints(ca=False, path_length=None)),
        {"isCA": True},
        "CA:FALSE",
    ),
    "too-deep": (ca_request(x509.BasicConstraints(ca=True, path_length=2)), CA_SPEC, "maxPathLength"),
}


def test_what_contradicts_itself_is_failed_before_anything_is_sent(cluster: Scope, token: str) -> None:
    """Without any policy in the way, so that it is ours alone to find."""
    cluster.apply_with_token(token, {**WITH_AUTHORITY, "approval": "External"})
    cluster.wait_ready()
    paths = (AUTHORITY, "pki_int/sign/lab")
    before = [len(cluster.bed.vault.audited(path)) for path in paths]
    told = {}
    # cert-manager's webhook refuses most of these before anybody sees them; a cluster may run without it,
    # and then cert-manager's own approver approves everything.
    with webhook_validation_withdrawn(cluster.bed):
        for name, (csr, spec, _why) in MISMATCHES.items():
            cluster.request(name, csr=csr, **spec)
            told[name] = ready(wait_answer(cluster.bed, name, cluster.namespace, "Failed"))["message"]
    assert {name: why in told[name] for name, (_, _, why) in MISMATCHES.items()} == dict.fromkeys(told, True)
    sent = [
        one
        for path, number in zip(paths, before, strict=True)
        for one in cluster.bed.vault.audited(path)[number:]
        if (one["response"].get("data") or {}).get("certificate")
    ]
    assert sent == []


def test_a_path_for_cas_that_may_not_be_used_is_named_by_the_issuer(
    cluster: Scope, layout: PkiLayout
) -> None:
    cluster.apply_with_token(setup_token(cluster.bed.vault, layout.policy), WITH_AUTHORITY)
    message = cluster.wait_reason("PermissionDenied")
    assert "certificateAuthority.path" in message
    assert AUTHORITY in message


def test_a_ca_that_may_sign_no_cas_is_named_by_the_issuer(cluster: Scope, layout: PkiLayout) -> None:
    path = "pki_int/root/sign-intermediate"
    token = vault_token(cluster.bed, "below-the-intermediate", [layout.sign_path, path])
    cluster.apply_with_token(token, {"certificateAuthority": {"path": path}})
    assert "path length of 0" in cluster.wait_reason("CASignsNoCAs")


@pytest.mark.parametrize(("own", "path"), [({}, VERBATIM), (WITH_AUTHORITY, "pki_int/sign/lab")])
def test_another_approvers_word_is_not_enough_where_vault_signs_whatever_is_asked(
    bed: Testbed, cluster: Scope, token: str, own: dict[str, Any], path: str
) -> None:
    elsewhere = policy("elsewhere", {}, selector={"issuerRef": {"name": "another"}})
    signing = AUTHORITY if own else path
    before = len(signed_csrs(bed, signing))
    cluster.apply_with_token(token, {**own, "approval": "External"}, path=path)
    cluster.wait_ready()
    request_of = {"csr": ca_request(), "isCA": True} if own else {}
    _without_policies(bed, [elsewhere])
    try:
        cluster.request("one", **request_of)
        set_condition(bed, "one", cluster.namespace, "Approved")
        assert "CertificateRequestPolicy" in cluster.wait_reason("NoPolicy")
        found = wait_answer(bed, "one", cluster.namespace, "Pending")
        assert "certificate" not in found["status"]
    finally:
        _without_policies(bed, [open_policy()])
    wait_issued(bed, "one", cluster.namespace)
    assert len(signed_csrs(bed, signing)) == before + 1


def _without_policies(bed: Testbed, kept: list[Object]) -> None:
    kind = "CertificateRequestPolicy"
    for one in bed.kube.list("vault-issuer.io/v1alpha1", kind):
        bed.kube.delete("vault-issuer.io/v1alpha1", kind, one["metadata"]["name"])
    bed.kube.apply(kept)


# A leaf request can't become a CA, whatever stands in for Vault ---------------------------------


@pytest.mark.parametrize(
    ("path", "own"), [("pki_int/sign/lab", {}), (VERBATIM, {"verification": "Standard"})]
)
def test_a_vault_that_answers_a_leaf_request_with_a_ca_is_not_believed(
    cluster: Scope, token: str, path: str, own: dict[str, Any]
) -> None:
    with DivertingVault(cluster.bed, AUTHORITY) as diverting:
        cluster.apply_with_token(token, own, path=path, server=diverting.addr, caBundle=diverting.ca_bundle)
        cluster.wait_ready()
        cluster.request("one", csr=csr_pem(f"one.{DOMAIN}"))
        found = wait_answer(cluster.bed, "one", cluster.namespace, "Failed")
        assert diverting.swapped == 1
        cluster.delete()
    assert "CA's, which wasn't asked for" in ready(found)["message"]
    assert "certificate" not in found["status"]


def test_a_vault_that_gives_a_ca_more_below_it_than_asked_is_not_believed(cluster: Scope, token: str) -> None:
    with DivertingVault(cluster.bed, AUTHORITY) as diverting:
        cluster.apply_with_token(token, WITH_AUTHORITY, server=diverting.addr, caBundle=diverting.ca_bundle)
        cluster.wait_ready()
        cluster.request("one", csr=ca_request(), isCA=True, usages=["cert sign"])
        found = wait_answer(cluster.bed, "one", cluster.namespace, "Failed")
        cluster.delete()
    assert "no bound on the CAs below it" in ready(found)["message"]
    # Revoked where CA certificates are signed.
    assert any(not one.get("error") for one in cluster.bed.vault.audited("pki/revoke"))


def test_a_role_that_gives_the_right_to_sign_makes_no_ca(cluster: Scope, token: str) -> None:
    usages = ["DigitalSignature", "KeyEncipherment", "CertSign", "CRLSign"]
    setup_role(cluster.bed.vault, "pki_int", "signing-leaves", key_usage=usages)
    cluster.apply_with_token(token, path="pki_int/sign/signing-leaves")
    cluster.wait_ready()
    cluster.request("one", csr=csr_pem(f"one.{DOMAIN}"))
    message = ready(wait_answer(cluster.bed, "one", cluster.namespace, "Failed"))["message"]
    assert "cert sign" in message


def test_verbatim_makes_no_ca_of_a_csr_that_asks_to_be_one(cluster: Scope, token: str) -> None:
    """Ours, and Vault's own answer to just the same CSR."""
    cluster.apply_with_token(token, path=VERBATIM)
    cluster.wait_ready()
    csr = csr_with(EVERY_NAME, CA_TRUE)
    before = len(signed_csrs(cluster.bed, VERBATIM))
    with webhook_validation_withdrawn(cluster.bed):
        cluster.request("flag", csr=csr)
        # Failed where cert-manager's approver, which nothing stops here, was there first.
        found = cluster.bed.kube.wait(
            CERT_MANAGER,
            REQUEST,
            "flag",
            cluster.namespace,
            until=lambda one: ready(one).get("reason") in ("Denied", "Failed"),
        )
    assert "CA:TRUE" in ready(found)["message"]
    assert len(signed_csrs(cluster.bed, VERBATIM)) == before
    answer = cluster.bed.vault.write(VERBATIM, {"csr": csr.decode(), "ttl": "1h"})
    made = x509.load_pem_x509_certificate(str(answer["certificate"]).encode())
    assert extension(made, x509.BasicConstraints) is None


# What a role may rightly decide, told ------------------------------------------------------------


def test_what_a_role_decides_is_told_and_with_strict_it_is_fatal(scope: Scope, token: str) -> None:
    csr = csr_with(
        x509.SubjectAlternativeName([x509.DNSName(f"one.{DOMAIN}")]),
        subject=x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, f"one.{DOMAIN}"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Dropped"),
            ]
        ),
    )
    scope.apply_with_token(token)
    scope.wait_ready()
    wanted = {"csr": csr, "usages": ["digital signature", "code signing"]}
    message = ready(scope.issue("told", **wanted))["message"]
    for word in ("O=Dropped", "code signing"):
        assert word in message
    assert "key encipherment" not in message  # which the policy allows the role to add
    assert events(scope.bed, scope.namespace, "told", "CertificateDiffers")
    scope.apply_with_token(token, {"verification": "Strict"})
    scope.wait_checked()
    scope.request("refused", **wanted)
    found = wait_answer(scope.bed, "refused", scope.namespace, "Failed")
    assert "O=Dropped" in ready(found)["message"]
    assert "certificate" not in found["status"]


def test_usages_that_a_role_adds_beyond_the_policy_are_not_delivered(
    bed: Testbed, cluster: Scope, token: str
) -> None:
    """By CertificateRequests and a CertificateSigningRequest; what the policy allows is no news."""
    roles: dict[str, dict[str, Any]] = {
        "adds-rights": {"ext_key_usage": ["OCSPSigning", "CodeSigning", "Any"]},
        "adds-mail": {"email_protection_flag": True, "ext_key_usage_oids": ["1.3.6.1.5.5.7.3.17"]},
        "adds-clients": {"server_flag": True, "client_flag": True},
        "adds-servers": {"server_flag": True, "key_usage": ["DigitalSignature", "KeyAgreement"]},
    }
    issuers = {name: Scope(bed, f"{cluster.name}-{name}", cluster.namespace) for name in roles}
    for name, options in roles.items():
        setup_role(bed.vault, "pki_int", name, **options)
        issuers[name].apply_with_token(token, path=f"pki_int/sign/{name}")
    for scope in issuers.values():
        scope.wait_ready()
    narrow = open_policy()
    usages = ["digital signature", "key encipherment", "key agreement", "server auth"]
    narrow["spec"]["allowed"]["usages"] = usages
    csr = f"csr-{cluster.name}"
    before = revocations(bed)
    _without_policies(bed, [narrow])
    try:
        for name, scope in issuers.items():
            scope.request(name)
        ask(bed.kube, csr, f"{CLUSTER}/{issuers['adds-clients'].name}")
        decide(bed, csr)
        told = {
            name: ready(wait_answer(bed, name, cluster.namespace, "Failed"))["message"]
            for name in ("adds-rights", "adds-mail", "adds-clients")
        }
        failed = wait_failed(bed, csr)
        issued = wait_issued(bed, "adds-servers", cluster.namespace)
    finally:
        _without_policies(bed, [open_policy()])
        bed.kube.delete(CERTIFICATES, CSR, csr)
    for word in ("any", "code signing", "ocsp signing"):
        assert word in told["adds-rights"]
    assert "email protection" in told["adds-mail"]
    assert "1.3.6.1.5.5.7.3.17" in told["adds-mail"]
    for message in (told["adds-clients"], failed["message"]):
        for word in ("client auth", "server_flag", "client_flag", "ext_key_usage"):
            assert word in message
    assert failed["reason"] == "NotAsAsked"
    assert revocations(bed) == before + 4
    assert "server auth" not in ready(issued)["message"]
    differs = bed.kube.list("events.k8s.io/v1", "Event", cluster.namespace)
    about = {one["regarding"]["name"] for one in differs if one["reason"] == "CertificateDiffers"}
    assert about <= {"adds-servers"}  # of the key encipherment that the role leaves out
    assert not any("server auth" in one["note"] for one in differs if one["reason"] == "CertificateDiffers")
