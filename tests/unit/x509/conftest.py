"""Builders for certificates and requests. Everything is EC P-256 unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.unit.x509.signed_case import Case

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(*common_names: str, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, text) for text in common_names]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def usage(*bits: str) -> x509.KeyUsage:
    known = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in known})


def pem(*certificates: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


@dataclass(frozen=True)
class Template:
    """A certificate to be: what a test doesn't name is as in a plain leaf."""

    subject: x509.Name = field(default_factory=lambda: name("web.example"))
    sans: Sequence[x509.GeneralName] = (x509.DNSName("web.example"),)
    begin: datetime = NOW - timedelta(seconds=30)
    end: datetime = NOW + DAY
    ca: bool = False
    path_length: int | None = None
    usages: Sequence[str] = ("digital_signature", "key_encipherment")
    extended: Sequence[str] = ()
    serial: int = 0
    basic: bool = True
    extra: Sequence[x509.ExtensionType] = ()

    def but(self, **changes: object) -> Template:
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    def sign(self, template: Template, public_key: object = None) -> x509.Certificate:
        return build(template, public_key or new_key().public_key(), self.certificate.subject, self.key)

    def authority(
        self,
        common_name: str,
        *,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        template: Template | None = None,
        extra: Sequence[x509.ExtensionType] = (),
    ) -> Authority:
        key = key or new_key()
        made = (template or CA).but(subject=name(common_name), extra=extra)
        return Authority(self.sign(made, key.public_key()), key)


CA = Template(
    sans=(), end=NOW + 365 * DAY, begin=NOW - 365 * DAY, ca=True, usages=("key_cert_sign", "crl_sign")
)


def build(
    template: Template, public_key: object, issuer: x509.Name, key: CertificateIssuerPrivateKeyTypes
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(template.subject)
        .issuer_name(issuer)
        .public_key(public_key)  # type: ignore[arg-type]
        .serial_number(template.serial or x509.random_serial_number())
        .not_valid_before(template.begin)
        .not_valid_after(template.end)
    )
    if template.basic:
        constraints = x509.BasicConstraints(template.ca, template.path_length)
        builder = builder.add_extension(constraints, critical=True)
    if template.usages:
        builder = builder.add_extension(usage(*template.usages), critical=True)
    if template.extended:
        oids = [x509.ObjectIdentifier(oid) for oid in template.extended]
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=False)
    if template.sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(template.sans), critical=False)
    for extension in template.extra:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


def root(
    common_name: str = "Root",
    *,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    template: Template = CA,
) -> Authority:
    key = key or new_key()
    made = template.but(subject=name(common_name))
    return Authority(build(made, key.public_key(), made.subject, key), key)


def request(
    subject: x509.Name | None = None,
    sans: Sequence[x509.GeneralName] = (x509.DNSName("web.example"),),
    key: CertificateIssuerPrivateKeyTypes | None = None,
) -> x509.CertificateSigningRequest:
    key = key or new_key()
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        name("web.example") if subject is None else subject
    )
    if sans:
        builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256())


class Make:
    """The builders above, as one fixture."""

    NOW = NOW
    DAY = DAY
    CA = CA
    DER = Encoding.DER
    Template = Template
    key = staticmethod(new_key)
    name = staticmethod(name)
    pem = staticmethod(pem)
    root = staticmethod(root)
    request = staticmethod(request)
    load = staticmethod(x509.load_der_x509_certificate)


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture(scope="module")
def case(make: Make) -> Case:
    """A signing by an intermediate CA below a root."""
    top = make.root()
    return Case(make, top.authority("Int"), top)
