"""Odd names, keys and encodings: what is never signed, verbatim or on another's word, and what is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import policy
from testbed.vaultpki import PkiLayout, setup_role
from tests.builders import SHA1_WITH_RSA, csr_with, signed_as_once, signed_by_ecdsa_sha1
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    only_policies,
    ready,
    set_condition,
    signed_csrs,
    wait_issued,
    webhook_validation_withdrawn,
)
from tests.integration.support.scope import Scope, certificates_of, sweep
from tests.integration.test_signing_modes import VERBATIM, vault_token
from tests.rsa_keys import rsa_key
from tests.unit.policy.forge import (
    BC,
    CN,
    ORG,
    attribute,
    csr,
    dns,
    extension,
    sans,
    sequence,
    subject,
    tlv,
)
from tests.unit.x509.encoding import test_lenient as lenient

SHOP = {
    "commonName": {"value": "*.shop.example.com"},
    "dnsNames": {"values": ["*.shop.example.com", "web.lab.test"]},
    "uris": {"values": ["spiffe://cluster.local/ns/shop/*"]},
    "emailAddresses": {"values": ["*@shop.example.com"]},
    "subject": {"organizations": {"values": ["*"]}},
    "usages": ["digital signature", "key encipherment"],
}
GOOD = csr(
    sans(
        *(dns("*.shop.example.com"), dns("x-1.shop.example.com"), dns("xn--bcher-kva.shop.example.com")),
        tlv(0x86, b"spiffe://cluster.local/ns/shop/sa/web.v1"),
        tlv(0x81, b"ann.lee+pki@shop.example.com"),
    ),
    name=subject(attribute(CN, "x-1.shop.example.com"), attribute(ORG, "Zürich 日本")),
)
BAD = {
    "list": csr(sans(dns("bank.com,x.shop.example.com"))),
    "space": csr(sans(dns("bank.com x.shop.example.com"))),
    "quotes": csr(sans(dns("bank.com', DNS:bank2.com, .shop.example.com"))),
    "url": csr(sans(dns("https://bank.com/.shop.example.com"))),
    "empty-label": csr(sans(dns("a..shop.example.com"))),
    "wildcards": csr(sans(dns("*.*.shop.example.com"))),
    "dots": csr(sans(tlv(0x86, b"spiffe://cluster.local/ns/shop/../admin/sa/root"))),
    "encoded-dots": csr(sans(tlv(0x86, b"spiffe://cluster.local/ns/shop/%2e%2e/admin/sa/root"))),
    "two-at": csr(sans(tlv(0x81, b"root@bank.com@shop.example.com"))),
    "brackets": csr(sans(tlv(0x81, b"<root@bank.com>@shop.example.com"))),
    "invisible": csr(name=subject(attribute(ORG, "system:\u200bmasters"))),
    "common-name": csr(name=subject(attribute(CN, "a..shop.example.com"))),
    "x400-address": csr(sans(tlv(0xA3))),
    "edi-party-name": csr(sans(tlv(0xA5))),
}


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller for this module, and the shop's policy for the verbatim issuer alone."""
    shop = policy("shop", SHOP, selector={"issuerRef": {"name": "shop-*"}})
    with only_policies(bed, shop), ControllerProcess(bed) as one:
        yield one
        sweep(bed)


@pytest.fixture(scope="module")
def token(bed: Testbed, layout: PkiLayout) -> str:
    """A Vault token for both ways of signing."""
    return vault_token(bed, "names", ["pki_int/sign/*", VERBATIM, "pki_int/revoke"])


def signed_by_sha1(name: str, *, ecdsa: bool = False) -> bytes:
    """A request for a host by a key of RSA, or of ECDSA, as old devices sign it."""
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, False)
    if ecdsa:
        der = signed_by_ecdsa_sha1(builder, ec.generate_private_key(ec.SECP256R1()))
    else:
        der = signed_as_once(builder, rsa_key(), hashes.SHA1(), SHA1_WITH_RSA)
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)


ODD = {
    "version": lenient.signed(lenient.information([lenient.WEB], version=b"\x01")),
    "critical": lenient.ODD["critical FALSE on the names"],
    "unsorted": lenient.ODD["attributes out of order"],
    "ca-false": csr(sans(dns("web.lab.test")), extension(BC, sequence(b"\x01\x01\x00"))),
    "sha1": signed_by_sha1("web.lab.test"),
    "ecdsa-sha1": signed_by_sha1("web.lab.test", ecdsa=True),
}


def refused(bed: Testbed, name: str, namespace: str) -> str:
    """Why a request was Denied, or Failed where cert-manager's own approver, which runs here, was faster."""
    found = bed.kube.wait(
        CERT_MANAGER,
        REQUEST,
        name,
        namespace,
        until=lambda obj: ready(obj).get("reason") in {"Denied", "Failed"},
    )
    return str(ready(found)["message"])


def test_verbatim_delivers_only_names_that_everybody_reads_alike(
    bed: Testbed, namespace: str, token: str, controller: ControllerProcess
) -> None:
    issuer = Scope(bed, f"shop-{namespace}", namespace)
    issuer.apply_with_token(token, path=VERBATIM)
    issuer.wait_ready()
    before = len(signed_csrs(bed, VERBATIM))
    with webhook_validation_withdrawn(bed):  # it parses with Go, which refuses some
        for name, pem in {**BAD, "good": GOOD}.items():
            issuer.request(name, csr=pem)
        for name in BAD:
            message = refused(bed, name, namespace)
            assert message.startswith("InvalidName: "), (name, message)
    delivered = certificates_of(wait_issued(bed, "good", namespace))[0]
    assert "O=Zürich 日本" in delivered.subject.rfc4514_string()
    assert len(signed_csrs(bed, VERBATIM)) == before + 1
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()


def test_another_approvers_word_does_not_make_a_name_readable(
    bed: Testbed, namespace: str, token: str, controller: ControllerProcess
) -> None:
    issuer = Scope(bed, namespace, namespace)
    issuer.apply_with_token(token, {"approval": "External"}, path="pki_int/sign/lab")
    issuer.wait_ready()
    before = len(signed_csrs(bed))
    with webhook_validation_withdrawn(bed):
        for name, pem in BAD.items():
            issuer.request(name, csr=pem)
        for name in BAD:
            message = refused(bed, name, namespace)
            assert message.startswith("InvalidName: "), (name, message)
    assert len(signed_csrs(bed)) == before
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()


def test_weak_keys_are_not_signed_where_no_role_looks_at_them(
    bed: Testbed, namespace: str, token: str
) -> None:
    issuer = Scope(bed, f"shop-{namespace}", namespace)
    issuer.apply_with_token(token, path=VERBATIM)
    issuer.wait_ready()
    names = x509.SubjectAlternativeName([x509.DNSName("x.shop.example.com")])
    weak: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
        "exponent": rsa.generate_private_key(3, 2048),
        "small": rsa.generate_private_key(65537, 1024),
        "curve": ec.generate_private_key(ec.SECP224R1()),
    }
    for name, key in weak.items():
        issuer.request(name, csr=csr_with(names, key=key))
    for name in weak:
        assert "WeakKey: the " in refused(bed, name, namespace)
    issuer.issue("strong", csr=csr_with(names, key=ed25519.Ed25519PrivateKey.generate()))


def test_csrs_of_printers_and_certmonger_are_signed_by_both_paths(
    bed: Testbed, namespace: str, token: str
) -> None:
    exact, by_role = Scope(bed, f"shop-{namespace}", namespace), Scope(bed, namespace, namespace)
    exact.apply_with_token(token, path=VERBATIM)
    by_role.apply_with_token(token, {"approval": "External"}, path="pki_int/sign/odd")
    setup_role(bed.vault, "pki_int", "odd", allow_any_name=True)
    for path, issuer in (("exact", exact), ("role", by_role)):
        issuer.wait_ready()
        for name, pem in ODD.items():
            issuer.request(f"{name}-{path}", csr=pem)
            if issuer is by_role:
                set_condition(bed, f"{name}-{path}", namespace, "Approved")
        for name in ODD:
            (leaf, *_) = certificates_of(wait_issued(bed, f"{name}-{path}", namespace))
            sans_of = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert sans_of.get_values_for_type(x509.DNSName) == ["web.lab.test"]
