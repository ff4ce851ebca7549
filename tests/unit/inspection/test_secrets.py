"""`inspect secret/NAME`: fields, chain, key; and nothing of the key."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.inspection.objects.account import Mark, ObjectAccount
from issuer.inspection.objects.secrets import secret_account
from issuer.inspection.objects.tables import show_account
from tests.builders import NOW
from tests.ca import TestCA, name, pem
from tests.unit.inspection.scene import encoded, plain

KEY = ec.generate_private_key(ec.SECP256R1())
CRL = "http://crl.example.test/ca.crl"
OCSP = "http://ocsp.example.test"


def key_pem(password: bytes | None = None, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def leaf(ca: TestCA, *, ends: timedelta = timedelta(days=30)) -> str:
    """A certificate with the URLs that a CA writes."""
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(OCSP)),
    ]
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(CRL)], None, None, None)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("web"))
        .issuer_name(ca.intermediate.subject)
        .public_key(KEY.public_key())
        .serial_number(0xAB)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("web.example.test")]), critical=False)
        .add_extension(x509.CRLDistributionPoints(points), critical=False)
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    return pem(builder.sign(ca.key, hashes.SHA256()))


def secret(**data: str) -> dict[str, Any]:
    """A Secret as cert-manager writes it; `tls_crt` is `tls.crt`."""
    return {
        "metadata": {
            "name": "web-tls",
            "namespace": "team-a",
            "annotations": {
                "cert-manager.io/certificate-name": "web",
                "cert-manager.io/issuer-name": "demo",
                "cert-manager.io/issuer-kind": "VaultClusterIssuer",
                "cert-manager.io/issuer-group": "vault-issuer.io",
            },
        },
        "type": "kubernetes.io/tls",
        "data": {key.replace("_", "."): encoded(value) for key, value in data.items()},
    }


def whole(ca: TestCA, **other: str) -> dict[str, Any]:
    return secret(
        **{"tls_crt": leaf(ca) + pem(ca.intermediate), "tls_key": key_pem(), "ca_crt": pem(ca.root), **other}
    )


def found_of(found: ObjectAccount, item: str) -> tuple[Mark, str]:
    return next((one.mark, one.text) for one in found.items if one.name == item)


def bad(found: ObjectAccount) -> set[str]:
    return {one.name for one in found.items if one.mark is Mark.BAD}


def test_a_whole_secret_shows_its_fields_and_urls_and_no_key(ca: TestCA) -> None:
    found = secret_account(whole(ca), NOW)
    assert found.good
    shown = plain(lambda to: show_account(found, to))
    for text in ('VaultClusterIssuer "demo" of vault-issuer.io', "DNS web.example.test", CRL, OCSP, "CN=web"):
        assert text in shown
    assert found.to_json()["urls"] == {"CRL": [CRL], "OCSP": [OCSP], "CA's certificate": []}
    secret_lines = [line for line in key_pem().splitlines() if not line.startswith("-")]
    printed = shown + json.dumps(found.to_json())
    assert not any(line in printed for line in secret_lines)
    assert encoded(key_pem())[:40] not in printed


def test_a_key_of_another_certificate_is_bad(ca: TestCA) -> None:
    other = key_pem(key=ec.generate_private_key(ec.SECP256R1()))
    assert bad(secret_account(whole(ca, tls_key=other), NOW)) == {"Private key"}
    assert bad(secret_account(whole(ca, tls_key="no key"), NOW)) == {"Private key"}
    encrypted = secret_account(whole(ca, tls_key=key_pem(b"secret")), NOW)
    assert found_of(encrypted, "Private key")[0] is Mark.NOT_KNOWN


def test_a_chain_in_the_wrong_order_is_bad(ca: TestCA) -> None:
    wrong = leaf(ca) + pem(ca.root) + pem(ca.intermediate)
    found = secret_account(whole(ca, tls_crt=wrong), NOW)
    assert bad(found) == {"Order"}
    assert "certificate 1 of tls.crt is not signed by certificate 2" in found_of(found, "Order")[1]


def test_an_ended_certificate_is_bad_and_can_be_renewed(ca: TestCA) -> None:
    ended = leaf(ca, ends=timedelta(hours=-1)) + pem(ca.intermediate)
    found = secret_account(whole(ca, tls_crt=ended), NOW)
    assert "Certificate" in bad(found)
    assert any(one.command == "kubectl vault-issuer renew web -n team-a" for one in found.cures)


@pytest.mark.parametrize("data", [{}, {"tls_crt": ""}, {"tls_crt": "rubbish"}, {"password": "x"}])
def test_a_secret_without_a_certificate_says_so(data: dict[str, str]) -> None:
    found = secret_account(secret(**data), NOW)
    assert {"Certificate", "Private key"} <= bad(found)
    assert "can't be used" in found.state


def test_another_ca_in_ca_crt_is_bad(ca: TestCA) -> None:
    found = secret_account(whole(ca, ca_crt=pem(TestCA.make().root)), NOW)
    assert bad(found) == {"CA"}
