"""Each encoding that DER forbids and that is taken all the same, beside what it must not let in.

Version 1 is what printers write, `critical FALSE` what certmonger does.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.signing.signer import SigningRequest
from issuer.signing.vault.parameters import parameters
from issuer.vault.paths import Mode
from issuer.x509.contents import RequestPart
from issuer.x509.errors import InvalidRequest
from issuer.x509.extensions import asked_constraints
from issuer.x509.request import CertificateSigningRequest, read_request
from tests.rsa_keys import rsa_key
from tests.unit.policy.forge import (
    BC,
    CN,
    ECDSA_SHA256,
    ORG,
    SAN,
    attribute,
    dns,
    extension,
    extension_request,
    key,
    oid,
    sans,
    sequence,
    tlv,
    utf8,
)

WEB = extension_request(sans(dns("web.lab.test")))
CHALLENGE = sequence(oid("1.2.840.113549.1.9.7"), tlv(0x31, utf8("secret" * 20)))
UNSORTED = sorted([WEB, CHALLENGE], reverse=True)
FALSE, TRUE = b"\x01\x01\x00", b"\x01\x01\xff"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def information(
    attributes: Sequence[bytes] = (WEB,),
    *,
    version: bytes = b"\x00",
    name: bytes = b"\x30\x00",
    by: Key | None = None,
) -> bytes:
    """Return the signed part of a CSR, its attributes in the order given."""
    public = (by or key()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sequence(tlv(0x02, version), name, public, tlv(0xA0, *attributes))


def signed(signs: bytes, shows: bytes | None = None, algorithm: bytes | None = None) -> bytes:
    """A CSR whose signature is of `signs`, and which shows `shows` instead if that is given."""
    algorithm = algorithm or sequence(oid(ECDSA_SHA256))
    signature = key().sign(signs, ec.ECDSA(hashes.SHA256()))
    return pem(sequence(shows or signs, algorithm, tlv(0x03, b"\0", signature)))


def pem(der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"


def names(csr: CertificateSigningRequest) -> list[str]:
    assert csr.contents.defects == ()
    return [value.text for value in csr.contents.values[(RequestPart.DNS, "")]]


def with_extension(*parts: bytes) -> bytes:
    return signed(information([extension_request(sequence(*parts))]))


MULTI = sequence(tlv(0x31, *sorted([attribute(CN, "a.lab.test"), attribute(ORG, "zz")], reverse=True)))
ODD = {
    "version 1 in the integer": signed(information(version=b"\x01")),
    "attributes out of order": signed(information(UNSORTED)),
    "critical FALSE on the names": with_extension(oid(SAN), FALSE, tlv(0x04, sequence(dns("web.lab.test")))),
    "a multi-valued name out of order": signed(information(name=MULTI)),
    "NULL behind ECDSA": signed(information(), algorithm=sequence(oid(ECDSA_SHA256), b"\x05\x00")),
    "all of them": signed(information(UNSORTED, version=b"\x01", name=MULTI)),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_encoding_with_one_meaning_is_read_and_goes_on_as_it_came(odd: str) -> None:
    read = read_request(ODD[odd])
    assert names(read) == ["web.lab.test"]
    assert base64.b64decode("".join(read.pem.splitlines()[1:-1])) == base64.b64decode(
        b"".join(ODD[odd].splitlines()[1:-1])
    )
    sent = parameters(SigningRequest(read.pem, None, frozenset(), False), Mode.SIGN)
    assert sent["alt_names"] == "web.lab.test"
    assert sent["common_name"] in {"a.lab.test", ""}


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_keys_sign_odd_requests_too(kind: str) -> None:
    made: Key
    if kind == "rsa":
        made = rsa_key()
        signs = information(version=b"\x01", by=made)
        algorithm = sequence(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
        signature = made.sign(signs, PKCS1v15(), hashes.SHA256())
    else:
        made = ed25519.Ed25519PrivateKey.generate()
        signs, algorithm = information(version=b"\x01", by=made), sequence(oid("1.3.101.112"))
        signature = made.sign(signs)
    good = sequence(signs, algorithm, tlv(0x03, b"\0", signature))
    assert names(read_request(pem(good))) == ["web.lab.test"]
    bad = good.replace(b"web.lab", b"bad.lab")
    with pytest.raises(InvalidRequest, match="signature doesn't verify"):
        read_request(pem(bad))


@pytest.mark.parametrize(
    ("value", "means"),
    [
        (sequence(FALSE), x509.BasicConstraints(False, None)),
        (sequence(), x509.BasicConstraints(False, None)),
        (sequence(TRUE), x509.BasicConstraints(True, None)),
    ],
)
def test_ca_false_written_out_is_ca_false(value: bytes, means: x509.BasicConstraints) -> None:
    read = read_request(signed(information([extension_request(extension(BC, value))])))
    assert asked_constraints(read.extensions) == means


@pytest.mark.parametrize(
    "value",
    [
        sequence(b"\x01\x01\x01"),  # true in BER, neither in DER
        sequence(b"\x01\x00"),
        sequence(b"\x01\x02\x00\xff"),
        sequence(FALSE, TRUE),
        sequence(TRUE, FALSE),
        sequence(FALSE, b"\x02\x01\x00"),  # a path length is a CA's
        sequence(b"\x02\x01\x00"),
    ],
)
def test_a_ca_flag_that_can_be_read_twice_is_not_read(value: bytes) -> None:
    read = read_request(signed(information([extension_request(extension(BC, value))])))
    with pytest.raises(ValueError, match=r"boolean|more in it"):
        asked_constraints(read.extensions)


BAD = {
    # Its signature is of the bytes in order, so what comes out of order is not what was signed.
    "the order was changed afterwards": (
        signed(information(UNSORTED[::-1]), information(UNSORTED)),
        "signature",
    ),
    "the version was changed afterwards": (signed(information(), information(version=b"\x01")), "signature"),
    "a multi-valued name was changed afterwards": (
        signed(information(name=MULTI), information(name=MULTI.replace(b"a.lab", b"b.lab"))),
        "signature",
    ),
    "extensions asked for twice, out of order": (
        signed(information(sorted([WEB, extension_request(sans(dns("evil.test")))], reverse=True))),
        "more than once",
    ),
    "an extension twice": (signed(information([extension_request(sans(dns("a")), sans(dns("b")))])), "twice"),
    "version 2": (signed(information(version=b"\x02")), "can't be parsed"),
    "version -1": (signed(information(version=b"\xff")), "can't be parsed"),
    "version 0 in two octets": (signed(information(version=b"\x00\x00")), "can't be parsed"),
    "no version": (signed(information(version=b"")), "can't be parsed"),
    "critical 1": (with_extension(oid(SAN), b"\x01\x01\x01", tlv(0x04, sequence(dns("a")))), "boolean"),
    "critical of no octet": (with_extension(oid(SAN), b"\x01\x00", tlv(0x04, sequence(dns("a")))), "boolean"),
    "critical twice": (with_extension(oid(SAN), FALSE, TRUE, tlv(0x04, sequence(dns("a")))), "malformed"),
    "parameters that are not NULL": (
        signed(information(), algorithm=sequence(oid(ECDSA_SHA256), b"\x05\x01\x00")),
        "can't be parsed",
    ),
    "a second NULL": (
        signed(information(), algorithm=sequence(oid(ECDSA_SHA256), b"\x05\x00", b"\x05\x00")),
        "can't be parsed",
    ),
    "a fifth part": (
        signed(sequence(tlv(0x02, b"\x01"), b"\x30\x00", *[tlv(0xA0)] * 3)),
        "can't be parsed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_what_a_leniency_must_not_let_in(bad: str) -> None:
    request, says = BAD[bad]
    with pytest.raises(InvalidRequest, match=says):
        read_request(request)
