"""CAs kept as files, as OpenSSL makes them: for imported bundles and offline roots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class FileCA:
    """A CA with its key, and the certificate above it unless it is a root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def key_pem(self, passphrase: str | None = None) -> str:
        """The key, encrypted if there is a passphrase."""
        kept: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            kept = BestAvailableEncryption(passphrase.encode())
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept).decode()

    def below(
        self, name: str, path_length: int | None = None, days: int = 3650, serial: int | None = None
    ) -> FileCA:
        """A CA that this one signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.subject
        signed = _signed(
            name, key.public_key(), issuer, self.key, path_length=path_length, days=days, serial=serial
        )
        return FileCA(signed, key)

    def crossed(self, other: FileCA, path_length: int | None = None) -> FileCA:
        """Another CA, with a certificate by this one for its name and key."""
        name, public = other.certificate.subject, other.key.public_key()
        issuer = self.certificate.subject
        return FileCA(_signed("", public, issuer, self.key, name, path_length=path_length), other.key)

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    def renewed(self, days: int) -> FileCA:
        """This root with another certificate for its key."""
        name = self.certificate.subject
        certificate = _signed("", self.key.public_key(), name, self.key, name, days=days)
        return FileCA(certificate, self.key)

    def crl(self, days: float) -> bytes:
        """A list without entries that ends in `days`, DER."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(days=60))
            .next_update(now + timedelta(days=days))
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def sign(self, csr_pem: str, crl: str = "", path_length: int | None = None) -> str:
        """Sign a request as a CA with this path length, and return its certificate followed by this one's.
        `crl` is the URL of this CA's list."""
        request = x509.load_pem_x509_csr(csr_pem.encode())
        name = str(request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        public = request.public_key()
        signed = _signed(name, public, self.certificate.subject, self.key, request.subject, crl, path_length)
        return signed.public_bytes(Encoding.PEM).decode() + self.pem


def root(
    name: str,
    path_length: int | None = None,
    days: int = 3650,
    key_id: x509.SubjectKeyIdentifier | None = None,
) -> FileCA:
    """A new self-signed CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    public = key.public_key()
    return FileCA(_signed(name, public, subject, key, path_length=path_length, days=days, key_id=key_id), key)


def _signed(
    name: str,
    public: object,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name | None = None,
    crl: str = "",
    path_length: int | None = None,
    days: int = 3650,
    serial: int | None = None,
    key_id: x509.SubjectKeyIdentifier | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(
            key_id or x509.SubjectKeyIdentifier.from_public_key(public),  # type: ignore[arg-type]
            critical=False,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    if crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(key, hashes.SHA256())
