"""What CRLs and OCSP responders say of a certificate, over HTTP; what is silent is never taken for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.pki.health.fetching import url_reader
from issuer.verifying.findings import EndpointFinding
from issuer.verifying.revocation import revocations
from tests.ca import TestCA, name
from tests.pki.urls import Published

HOUR = timedelta(hours=1)


@pytest.fixture
def web() -> Iterator[Published]:
    with Published() as web:
        yield web


def leaf(ca: TestCA, now: datetime, *, crl: str = "", responder: str = "") -> x509.Certificate:
    """A certificate that names a list, a responder, or nothing."""
    builder = x509.CertificateBuilder(
        ca.intermediate.subject, name("leaf"), ec.generate_private_key(ec.SECP256R1()).public_key(), 7
    )
    builder = builder.not_valid_before(now - HOUR).not_valid_after(now + HOUR)
    if crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if responder:
        at = x509.UniformResourceIdentifier(responder)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, at)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def crl(ca: TestCA, begins: datetime, *serials: int, base: int | None = None) -> bytes:
    """A list that ends an hour after it begins; a delta list to that of the number `base`."""
    builder = x509.CertificateRevocationListBuilder(ca.intermediate.subject, begins, begins + HOUR)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder(serial, begins)
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        builder = builder.add_revoked_certificate(entry.add_extension(reason, critical=False).build())
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


def as_pem(*lists: bytes) -> bytes:
    """Lists in DER as one file of PEM."""
    return b"".join(x509.load_der_x509_crl(one).public_bytes(Encoding.PEM) for one in lists)


def answer(
    ca: TestCA,
    certificate: x509.Certificate,
    begins: datetime,
    status: ocsp.OCSPCertStatus,
    *,
    ends: bool = True,
) -> bytes:
    """A responder's answer that ends an hour after it begins, or doesn't say when."""
    revoked = begins if status is ocsp.OCSPCertStatus.REVOKED else None
    issuer = ca.intermediate
    builder = ocsp.OCSPResponseBuilder().add_response(
        *(certificate, issuer, hashes.SHA1(), status, begins, begins + HOUR if ends else None, revoked, None)
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


async def asked(ca: TestCA, certificate: x509.Certificate, now: datetime) -> list[EndpointFinding]:
    async with url_reader(None) as reader:
        return [one async for one in revocations(reader, (certificate, ca.intermediate), now)]


async def test_a_list_says_what_is_revoked(web: Published, ca: TestCA, now: datetime) -> None:
    certificate = leaf(ca, now, crl=f"{web.url}/crl")
    before = now - timedelta(minutes=5)
    for body, said in (
        (crl(ca, before, 8), None),
        (crl(ca, before, 7), "it is revoked since .* \\(keyCompromise\\)"),
        (crl(ca, before - HOUR, 7), "can't be told: .*/crl: it ended at"),
        (crl(TestCA.make(now), before), "none of the CAs that are known signed it"),
        (crl(ca, before, base=1), "it is a delta list"),
        (as_pem(crl(TestCA.make(now), before), crl(ca, before, 7)), "it is revoked since"),
        (b"<html>", "it is no CRL"),
        (None, "it answers 404"),
    ):
        web.files.clear()
        web.files |= {} if body is None else {"/crl": body}
        found = await asked(ca, certificate, now)
        assert len(found) == (said is not None), found
        if said is not None:
            assert re.search(said, found[0].text), found
            assert found[0].is_problem


async def test_a_responder_says_what_is_revoked(web: Published, ca: TestCA, now: datetime) -> None:
    certificate = leaf(ca, now, responder=f"{web.url}/ocsp")
    before = now - timedelta(minutes=5)
    good, revoked, unknown = (
        ocsp.OCSPCertStatus.GOOD,
        ocsp.OCSPCertStatus.REVOKED,
        ocsp.OCSPCertStatus.UNKNOWN,
    )
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    other = TestCA.make(now)
    for body, said in (
        (answer(ca, certificate, before, good), ""),
        (answer(ca, certificate, before, revoked), "it is revoked since"),
        (answer(ca, certificate, before, unknown), "doesn't know the certificate"),
        (answer(ca, certificate, before - HOUR, good), "its answer expired at"),
        (answer(ca, certificate, before, good, ends=False), ""),
        (answer(ca, certificate, before - 48 * HOUR, good, ends=False), "its answer expired at"),
        (answer(ca, certificate, now + HOUR, good), "compare the clocks"),
        (answer(other, certificate, before, good), "signed by another"),
        (answer(ca, leaf(ca, now), before, good), ""),
        (refusal.public_bytes(Encoding.DER), "it answers unauthorized"),
        (b"<html>", "nothing in OCSP's form"),
    ):
        web.files["/ocsp"] = body
        found = await asked(ca, certificate, now)
        assert len(found) == bool(said), found
        assert not found or said in found[0].text


async def test_a_responder_is_asked_where_the_list_cant_be_had(
    web: Published, ca: TestCA, now: datetime
) -> None:
    certificate = leaf(ca, now, crl=f"{web.url}/crl", responder=f"{web.url}/ocsp")
    web.files["/ocsp"] = answer(ca, certificate, now - timedelta(minutes=1), ocsp.OCSPCertStatus.GOOD)
    assert await asked(ca, certificate, now) == []
    web.files.clear()
    (found,) = await asked(ca, certificate, now)
    assert "/crl: it answers 404" in found.text
    assert "/ocsp: it answers 404" in found.text


async def test_what_names_nothing_is_a_problem_of_the_certificate_alone(ca: TestCA, now: datetime) -> None:
    async with url_reader(None) as reader:
        way = (leaf(ca, now), ca.intermediate, ca.root)
        own, above = [one async for one in revocations(reader, way, now)]
    assert (own.is_problem, above.is_problem) == (True, False)
    assert "names no CRL" in own.text
