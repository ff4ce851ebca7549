"""Requests are read exactly, and what is wrong with a bad one is said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.x509.certificates import MAX_BUNDLE_BYTES, MAX_CERTIFICATES, read_certificates
from issuer.x509.errors import InvalidCertificate, InvalidRequest, X509Error
from issuer.x509.names import Name, NameKind
from issuer.x509.request import MAX_REQUEST_BYTES, decode_request, read_request
from tests.builders import MD5_WITH_RSA, SHA1_WITH_RSA, signed_as_once, signed_by_ecdsa_sha1
from tests.examples import examples
from tests.rsa_keys import rsa_key

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make

FUZZ = settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))


def field(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def test_a_good_request_is_read_and_written_anew(make: Make) -> None:
    csr = make.request(sans=[x509.DNSName("Web.Example."), x509.DNSName("b.example")])
    read = decode_request(field(b"some text before\n" + make.pem(csr)))
    assert read.pem.encode() == make.pem(csr)
    assert read.public_key == csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert read.sans == {Name(NameKind.DNS, "web.example"), Name(NameKind.DNS, "b.example")}
    assert read.names == read.sans | {Name(NameKind.COMMON_NAME, "web.example")}
    assert [extension.oid for extension in read.extensions] == ["2.5.29.17"]
    assert "BEGIN" not in repr(read)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_keys_are_read_too(make: Make, kind: str) -> None:
    key = rsa_key() if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    assert read_request(make.pem(make.request(key=key))).sans == {Name(NameKind.DNS, "web.example")}


def test_a_request_without_extensions_has_its_common_name_only(make: Make) -> None:
    read = read_request(make.pem(make.request(sans=[])))
    assert read.names == {Name(NameKind.COMMON_NAME, "web.example")}
    assert read.extensions == ()


def test_a_common_name_beyond_64_characters_is_read_without_a_warning(make: Make) -> None:
    text = "a" * 70
    with pytest.warns(UserWarning, match="length must be"):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text, _validate=False)])
    read = read_request(make.pem(make.request(subject=subject, sans=[])))
    assert read.names == {Name(NameKind.COMMON_NAME, text)}


def test_each_step_that_fails_is_named(make: Make) -> None:
    good = make.pem(make.request())
    certificate = make.pem(make.root().certificate)
    for bad, says in [
        (good + good, "more than one PEM block"),
        (good + b"tail", "trailing data"),
        (certificate, "is a CERTIFICATE, not a CERTIFICATE REQUEST"),
        (b"", "not PEM"),
        (b"hello", "not PEM"),
        (good.replace(b"-----END", b"----END"), "damaged"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "can't be parsed",
        ),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAA\n-----END CERTIFICATE REQUEST-----\n", "not base64"),
        (b"x" * (MAX_REQUEST_BYTES + 1), "larger than"),
    ]:
        with pytest.raises(InvalidRequest, match=says):
            read_request(bad)
    with pytest.raises(InvalidRequest, match=r"spec\.request is not base64"):
        decode_request("%%%")
    with pytest.raises(InvalidRequest, match="is not base64"):
        decode_request("\u00e4\u00f6")
    with pytest.raises(InvalidRequest, match="larger than"):
        decode_request("A" * (2 * MAX_REQUEST_BYTES))


def test_a_signature_of_another_key_is_refused(make: Make) -> None:
    csr = make.request()
    der = bytearray(csr.public_bytes(Encoding.DER))
    at = der.find(b"web.example")
    der[at] ^= 1
    with pytest.raises(InvalidRequest, match="signature doesn't verify"):
        read_request(make.pem(x509.load_der_x509_csr(bytes(der))))


def signed_by(key: rsa.RSAPrivateKey, identifier: int, algorithm: hashes.HashAlgorithm) -> bytes:
    """A request for printer.example as old devices make it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "printer.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return signed_as_once(builder, key, algorithm, identifier)


def verifies_alone_as_signed(make: Make, der: bytes) -> None:
    """Assert that a CSR of printer.example is read, and that it is refused once an octet is another."""
    read = read_request(make.pem(x509.load_der_x509_csr(der)))
    assert [one.value for one in read.names] == ["printer.example"]
    other = bytearray(der)
    other[other.find(b"printer")] ^= 1
    with pytest.raises(InvalidRequest, match="signature doesn't verify"):
        read_request(make.pem(x509.load_der_x509_csr(bytes(other))))


def test_sha1_proves_that_the_requester_has_the_key(make: Make) -> None:
    verifies_alone_as_signed(make, signed_by(rsa_key(), SHA1_WITH_RSA, hashes.SHA1()))


def test_ecdsa_with_sha1_does_so_too_and_by_another_key_does_not(make: Make) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "printer.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    verifies_alone_as_signed(make, signed_by_ecdsa_sha1(builder, ec.generate_private_key(ec.SECP256R1())))


def test_a_request_that_is_signed_by_md5_says_so(make: Make) -> None:
    der = signed_by(rsa_key(), MD5_WITH_RSA, hashes.MD5())
    with pytest.raises(InvalidRequest, match="signed by MD5: make it anew, with SHA-256"):
        read_request(make.pem(x509.load_der_x509_csr(der)))


def test_bytes_behind_the_request_inside_the_block_are_refused(make: Make) -> None:
    body = base64.encodebytes(make.request().public_bytes(Encoding.DER) + b"\0\0")
    text = b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(InvalidRequest, match="can't be parsed"):
        read_request(text)


@FUZZ
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(base64.b64encode)))
def test_any_bytes_give_an_answer_or_an_x509_error(data: bytes) -> None:
    block = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.b64encode(data)
        + b"\n-----END CERTIFICATE REQUEST-----\n"
    )
    for call in (
        lambda: read_request(data),
        lambda: read_request(block),
        lambda: decode_request(data.decode("latin-1")),
        lambda: read_certificates(data),
        lambda: read_certificates(block.replace(b" REQUEST", b"")),
    ):
        with pytest.raises(X509Error):
            call()


@FUZZ
@given(st.data())
def test_a_changed_request_or_certificate_raises_nothing_else(make: Make, data: st.DataObject) -> None:
    for der, label, read in _samples(make):
        changed = bytearray(der)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        body = base64.b64encode(bytes(changed))
        text = b"-----BEGIN " + label + b"-----\n" + body + b"\n-----END " + label + b"-----\n"
        try:
            read(text)
        except X509Error as error:
            assert len(str(error)) < 300  # noqa: PT017 - most changes are refused, some are not


_SAMPLES: list[tuple[bytes, bytes, Callable[[bytes], object]]] = []


def _samples(make: Make) -> list[tuple[bytes, bytes, Callable[[bytes], object]]]:
    if not _SAMPLES:
        sans = [
            x509.DNSName("a.example"),
            x509.RFC822Name("a@b.example"),
            x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x02hi"),
            x509.DirectoryName(make.name("d")),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        ]
        csr = make.request(sans=sans).public_bytes(Encoding.DER)
        certificate = make.root().sign(make.Template(sans=sans, extended=["1.3.6.1.5.5.7.3.1"]))
        _SAMPLES.append((csr, b"CERTIFICATE REQUEST", read_request))
        _SAMPLES.append((certificate.public_bytes(Encoding.DER), b"CERTIFICATE", read_certificates))
    return _SAMPLES


def test_certificates_are_read_in_order_between_text(make: Make) -> None:
    one, two = make.root("one").certificate, make.root("two").certificate
    text = b"subject=one\n" + make.pem(one) + b"\nsubject=two\n" + make.pem(two)
    assert read_certificates(text) == (one, two)
    assert read_certificates(text.decode()) == (one, two)


def test_bad_bundles_are_refused(make: Make) -> None:
    certificate = make.pem(make.root().certificate)
    for bad, says in [
        (b"", "no certificate"),
        (b"text", "no certificate"),
        (certificate * (MAX_CERTIFICATES + 1), "more than"),
        (b"x" * (MAX_BUNDLE_BYTES + 1), "larger than"),
        (make.pem(make.request()), "not a CERTIFICATE"),
        (certificate.replace(b"MI", b"AA", 1), "can't be parsed"),
    ]:
        with pytest.raises(InvalidCertificate, match=says):
            read_certificates(bad)
