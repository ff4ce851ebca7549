"""Certificates and keys of the testbed's own servers (not those the product issues)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
LIFETIME = dt.timedelta(days=90)
_CLOCK_SKEW = dt.timedelta(minutes=5)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whatever the umask."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)


def private_key_pem(key: PrivateKey) -> bytes:
    """PKCS #8 PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_signing_key(directory: Path) -> tuple[Path, Path]:
    """An EC P-256 key that signs ServiceAccount tokens: (private key file, public key file)."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = directory / "sa.key", directory / "sa.pub"
    write_private(private, private_key_pem(key))
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


class ClientCA:
    """A CA for TLS client certificates; its key stays in memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """PEM text of the CA."""
        return _pem(self._certificate)

    def issue(
        self, common_name: str, *, life: dt.timedelta = LIFETIME, key: PrivateKey | None = None
    ) -> ClientPair:
        """A certificate for TLS clients, with its key; a negative ``life`` gives one that has ended."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            _builder(common_name, self._name, key.public_key(), begin=now - abs(life), end=now + life / 2)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return ClientPair(_pem(certificate), private_key_pem(key).decode())


@dataclass(frozen=True, slots=True)
class ClientPair:
    """PEM text of a client certificate and its key, as a kubernetes.io/tls Secret holds them."""

    certificate: str
    key: str = field(repr=False)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Paths of a server's certificate, its key, and the CA that signed it."""

    cert: Path
    key: Path
    ca: Path

    @property
    def ca_pem(self) -> str:
        """PEM text of the CA."""
        return self.ca.read_text()


def _name(common_name: str) -> x509.Name:
    # RFC 5280 allows 64 characters (ub-common-name); a test's name may be longer.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """What a CA, or a TLS leaf with an EC key, may do with its key."""
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: str,
    issuer: str,
    key: PublicKey,
    *,
    begin: dt.datetime | None = None,
    end: dt.datetime | None = None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or now - _CLOCK_SKEW)
        .not_valid_after(end or now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def write_server(directory: Path, name: str, also: Sequence[str] = ()) -> ServerFiles:
    """A new CA of its own and a server certificate for loopback (127.0.0.1, ::1, localhost) under it.

    ``also`` are more DNS names and IP addresses.
    Writes ``NAME-ca.crt``, ``NAME.crt`` and ``NAME.key`` (mode 0600); the CA's key is thrown away.
    """
    ca_name, ca_key, key = (
        f"testbed CA of {name}",
        *(ec.generate_private_key(ec.SECP256R1()) for _ in range(2)),
    )
    authority = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(authority=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [_general_name(text) for text in ("localhost", "127.0.0.1", "::1", *also)]
    certificate = (
        _builder(f"testbed {name}", ca_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    files = ServerFiles(directory / f"{name}.crt", directory / f"{name}.key", directory / f"{name}-ca.crt")
    files.ca.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    files.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_private(files.key, private_key_pem(key))
    return files
