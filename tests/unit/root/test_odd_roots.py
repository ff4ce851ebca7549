"""Roots, CAs and CRLs of careless tools: taken over where they can be read, refused in words where not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from issuer.root.ceremony.crls import make_crl, plan_crl
from issuer.root.ceremony.file import CRLWish, RootWish
from issuer.root.ceremony.roots import ForeignRoot, take_over
from issuer.root.certificates.crls import revoked_in
from issuer.root.errors import RootRefusal
from issuer.x509.certificates import unread_part
from tests import odd_certificates
from tests.pki.cas import FileCA, root

NOW = datetime(2026, 11, 27, tzinfo=UTC)
UNREAD = ("T61String in Latin-1", "doubled attribute", "X.400 name", "extension twice", "notBefore in year 0")


def crl(
    ca: FileCA,
    extensions: Sequence[x509.ExtensionType],
    reason: x509.ExtensionType | None = None,
    begins: datetime = NOW,
) -> x509.CertificateRevocationList:
    """A list of a CA with these extensions and one entry."""
    entry = x509.RevokedCertificateBuilder().serial_number(5).revocation_date(NOW)
    if reason is not None:
        entry = entry.add_extension(reason, critical=False)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(begins)
        .next_update(begins + timedelta(days=30))
        .add_revoked_certificate(entry.build())
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    return builder.sign(ca.key, hashes.SHA256())


@pytest.mark.parametrize("shape", UNREAD)
def test_a_root_that_cannot_be_read_is_refused_in_words(shape: str) -> None:
    der, below, _, _ = odd_certificates.chain(shape)
    key, _, _ = odd_certificates.keys(rsa_key=False)
    foreign = ForeignRoot(x509.load_der_x509_certificate(der), None, (x509.load_der_x509_certificate(below),))
    with pytest.raises(RootRefusal, match=r"The root can't be taken over: its .+ can't be read: "):
        take_over(RootWish(), key, foreign, NOW)


@pytest.mark.parametrize("shape", UNREAD)
def test_a_ca_that_cannot_be_read_is_refused_by_its_serial(shape: str) -> None:
    der, odd, _, _ = odd_certificates.chain(shape, as_root=False)
    key, _, _ = odd_certificates.keys(rsa_key=False)
    one = x509.load_der_x509_certificate(odd)
    foreign = ForeignRoot(x509.load_der_x509_certificate(der), None, (one,))
    with pytest.raises(
        RootRefusal, match=f"serial {one.serial_number:x} can't be kept: its .+ can't be read"
    ):
        take_over(RootWish(), key, foreign, NOW)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (b"\x04\x01\x05", "its number, or another part, can't be read"),  # an OCTET STRING, as some write it
        (b"\x02\x15" + b"\x7f" * 21, "its number is negative, or larger than readers take"),
    ],
)
def test_a_crl_with_an_odd_number_is_refused_in_words(number: bytes, said: str) -> None:
    ca = root("Old Root")
    odd = crl(ca, [x509.UnrecognizedExtension(ExtensionOID.CRL_NUMBER, number)])
    with pytest.raises(RootRefusal, match=said):
        take_over(RootWish(), ca.key, ForeignRoot(ca.certificate, odd), NOW)


def test_a_reason_that_nobody_knows_revokes_all_the_same() -> None:
    ca = root("Old Root")
    reason = x509.UnrecognizedExtension(CRLEntryExtensionOID.CRL_REASON, b"\x0a\x01\x07")
    old = crl(ca, [x509.CRLNumber(7)], reason)
    ledger = take_over(RootWish(), ca.key, ForeignRoot(ca.certificate, old), NOW).ledger
    after = make_crl(plan_crl(ledger, CRLWish(), NOW), ledger, ca.key).crl
    assert after is not None
    assert [(one.serial, one.cause.value) for one in revoked_in(after)] == [(5, "unspecified")]


def test_the_next_list_begins_no_earlier_than_the_last_of_another_tool() -> None:
    """Some readers keep the one that begins later, and would not see what the next one revokes."""
    ca = root("Old Root")
    begins = ca.certificate.not_valid_before_utc + timedelta(days=1)
    old = crl(ca, [x509.CRLNumber(7)], begins=begins)
    ledger = take_over(RootWish(), ca.key, ForeignRoot(ca.certificate, old), begins).ledger
    assert plan_crl(ledger, CRLWish(), begins + timedelta(minutes=1)).this_update == begins


def test_what_the_library_reads_whole_has_no_unread_part() -> None:
    for shape in ("SHA-1", "country of three letters", "unknown extension", "no keyUsage"):
        der, _, _, _ = odd_certificates.chain(shape)
        assert unread_part(x509.load_der_x509_certificate(der)) == ""
