"""Verdicts on what URLs answer: whatever a server sends, the run goes on and says what is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from issuer.pki.health.checks.endpoints import crl_end, pointer_findings
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.health.pointers import FetchedAnswer, MountDefault, Pointer, PointerKind
from tests.pki.cas import FileCA, root

NOW = datetime.now(UTC)
CA = root("CA")


def verdict(kind: PointerKind, answer: FetchedAnswer, now: datetime = NOW) -> HealthFinding:
    """The first finding on an answer that must be CA's."""
    pointer = Pointer(kind, "http://ca.example.test/x", "pki", "ca", CA.certificate)
    return next(iter(pointer_findings(pointer, answer, HealthParameters(), now)))


def ocsp_answer(signer: FileCA, end: datetime, responder: x509.Certificate | None = None) -> bytes:
    """An answer that CA's certificate is good."""
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=CA.certificate,
        issuer=CA.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=end - timedelta(days=7),
        next_update=end,
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, responder or signer.certificate)
    if responder is not None:
        builder = builder.certificates([responder])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", list(PointerKind))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\n",
        b"-----BEGIN X509 CRL-----\nAA\n-----END X509 CRL-----",
        b"\x30\x03\x0a\x01\x00",
        b"\x30\x80",
        b"[]",
        b"\xff" * 64,
    ],
)
def test_what_is_neither_ca_nor_list_is_told(kind: PointerKind, body: bytes) -> None:
    found = verdict(kind, FetchedAnswer(200, body))
    assert found.severity.rank >= Gravity.WARNING.rank


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (PointerKind.AUTHORITY, CA.der),
        (PointerKind.REVOCATIONS, CA.crl(days=30)),
        (PointerKind.OCSP, ocsp_answer(CA, NOW + timedelta(days=1))),
    ],
    ids=["ca", "crl", "ocsp"],
)
def test_no_damage_of_an_answer_ends_the_run(kind: PointerKind, body: bytes) -> None:
    assert verdict(kind, FetchedAnswer(200, body)).severity is Gravity.OK
    for at in range(len(body)):
        for bits in (0x01, 0x80, 0xFF):
            damaged = bytes([*body[:at], body[at] ^ bits, *body[at + 1 :]])
            assert verdict(kind, FetchedAnswer(200, damaged)).message
            crl_end(damaged)
        assert verdict(kind, FetchedAnswer(200, body[:at])).severity is not Gravity.OK


def test_an_ocsp_answer_of_the_right_ca_is_in_order_until_it_ends() -> None:
    answer = FetchedAnswer(200, ocsp_answer(CA, NOW + timedelta(days=1)))
    assert verdict(PointerKind.OCSP, answer).severity is Gravity.OK
    ended = verdict(PointerKind.OCSP, answer, NOW + timedelta(days=2))
    assert (ended.severity, "expired at" in ended.message) == (Gravity.CRITICAL, True)


def test_an_ocsp_answer_of_another_is_refused_and_of_a_delegate_is_not() -> None:
    end = NOW + timedelta(days=1)
    other = verdict(PointerKind.OCSP, FetchedAnswer(200, ocsp_answer(root("Other"), end)))
    assert (other.severity, "signed by another" in other.message) == (Gravity.CRITICAL, True)
    for purpose, severity in (
        (ExtendedKeyUsageOID.OCSP_SIGNING, Gravity.OK),
        (ExtendedKeyUsageOID.SERVER_AUTH, Gravity.CRITICAL),
    ):
        delegate = responder(purpose)
        answer = ocsp_answer(delegate, end, delegate.certificate)
        assert verdict(PointerKind.OCSP, FetchedAnswer(200, answer)).severity is severity


def responder(purpose: x509.ObjectIdentifier) -> FileCA:
    """A certificate for one purpose that CA signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "responder")]))
        .issuer_name(CA.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .sign(CA.key, hashes.SHA256())
    )
    return FileCA(certificate, key)


@pytest.mark.parametrize(
    ("kind", "body", "severity"),
    [
        (PointerKind.AUTHORITY, "ca", Gravity.WARNING),
        (PointerKind.REVOCATIONS, "crl", Gravity.CRITICAL),
    ],
)
def test_a_url_that_follows_the_default_issuer_is_judged_by_who_signs(
    kind: PointerKind, body: str, severity: Gravity
) -> None:
    """Before a rotation switches nothing carries the new CA's URL, and after that the old one's still do."""
    other = root("CA 2")
    answer = FetchedAnswer(200, other.der if body == "ca" else other.crl(days=30))
    pointer = Pointer(kind, "http://ca.example.test/x", "pki", "lab-1", CA.certificate)
    for is_followed, expected in ((True, Gravity.NOT_APPLICABLE), (False, severity)):
        default = MountDefault("lab-2", other.certificate, is_followed)
        judged = replace(pointer, default=default)
        (found,) = pointer_findings(judged, answer, HealthParameters(), NOW)
        assert found.severity is expected
        assert f"answers the {'CA' if body == 'ca' else 'list'} of lab-2" in found.message
    stranger = MountDefault("lab-2", root("CA 3").certificate, False)
    (found,) = pointer_findings(replace(pointer, default=stranger), answer, HealthParameters(), NOW)
    assert found.severity is Gravity.CRITICAL
    assert "lab-2" not in found.message


def test_pem_is_no_answer_for_clients() -> None:
    found = verdict(PointerKind.AUTHORITY, FetchedAnswer(200, CA.pem.encode()))
    assert (found.severity, "PEM" in found.message) == (Gravity.WARNING, True)


def test_a_url_in_a_ca_certificate_has_no_lines_in_the_file() -> None:
    pointer = Pointer(
        PointerKind.AUTHORITY, "http://x.test", "pki", "ca", CA.certificate, from_certificate=True
    )
    (found,) = pointer_findings(pointer, FetchedAnswer(404), HealthParameters(), NOW)
    assert found.fix == {}
    assert "until the CA is rotated" in found.instead


def test_a_crl_that_revokes_a_ca_which_points_to_it_is_critical() -> None:
    first, second = CA.below("First"), CA.below("Second")
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.certificate.subject).last_update(NOW)
    entry = x509.RevokedCertificateBuilder().serial_number(second.certificate.serial_number)
    builder = builder.next_update(NOW + timedelta(days=30))
    builder = builder.add_revoked_certificate(entry.revocation_date(NOW).build())
    body = builder.sign(CA.key, hashes.SHA256()).public_bytes(Encoding.DER)
    for carriers, severities in (
        ((first.certificate,), [Gravity.OK]),
        ((first.certificate, second.certificate), [Gravity.OK, Gravity.CRITICAL]),
    ):
        pointer = Pointer(
            PointerKind.REVOCATIONS, "http://x", "pki", "ca", CA.certificate, False, True, carriers
        )
        found = list(pointer_findings(pointer, FetchedAnswer(200, body), HealthParameters(), NOW))
        assert [one.severity for one in found] == severities
    assert f"{second.certificate.serial_number:x}" in found[-1].message
