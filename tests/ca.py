"""A small CA for tests that need certificates without a Vault: root, intermediate, and leaves for a CSR."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from issuer.signing.signer import SignedCertificate
from issuer.x509.describe import serial_hex
from tests.builders import NOW

DAY = timedelta(days=1)


def name(common_name: str) -> x509.Name:
    """A subject with only a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """What a CA, or a TLS leaf, may do with its key."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True, slots=True)
class TestCA:
    """A two-tier CA with EC keys."""

    __test__ = False

    root: x509.Certificate
    intermediate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, now: datetime = NOW) -> TestCA:
        """A root good for ten years and an intermediate for five."""
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _ca(name("Test Root"), name("Test Root"), root_key, root_key, now, 3650, None)
        intermediate = _ca(name("Test Intermediate"), name("Test Root"), key, root_key, now, 1825, 0)
        return cls(root, intermediate, key)

    @property
    def ca_pems(self) -> str:
        """Intermediate, then root."""
        return pem(self.intermediate) + pem(self.root)

    def sign(
        self,
        csr: str,
        *,
        now: datetime = NOW,
        life: timedelta = DAY,
        extra_dns: tuple[str, ...] = (),
        names: Iterable[x509.GeneralName] = (),
    ) -> SignedCertificate:
        """A leaf with the CSR's key and names, or these alone, and any extra ones."""
        request = x509.load_pem_x509_csr(csr.encode())
        names = tuple(names) or request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        leaf = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.intermediate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=30))
            .not_valid_after(now + life)
            .add_extension(
                x509.SubjectAlternativeName([*names, *(x509.DNSName(one) for one in extra_dns)]),
                critical=False,
            )
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return SignedCertificate(pem(leaf), self.ca_pems, serial_hex(leaf))


def pem(certificate: x509.Certificate) -> str:
    """PEM text of a certificate."""
    return certificate.public_bytes(Encoding.PEM).decode()


def _ca(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
    path_length: int | None,
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + days * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
