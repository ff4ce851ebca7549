"""Private keys, and the request that one signs."""

from __future__ import annotations

from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from issuer.agent.config.model import CertificateSpec, KeySpec
from issuer.agent.errors import AgentError

_CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}


def new_key(spec: KeySpec) -> bytes:
    """Return a new private key as unencrypted PKCS#8 DER."""
    key: CertificateIssuerPrivateKeyTypes
    if spec.algorithm == "RSA":
        key = rsa.generate_private_key(65537, spec.size or 2048)
    elif spec.algorithm == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        key = ec.generate_private_key(_CURVES[spec.size or 256]())
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def key_pem(key_der: bytes) -> str:
    """Return a private key as unencrypted PKCS#8 PEM."""
    key = load_der_private_key(key_der, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def key_of_pem(pem: str) -> bytes:
    """Return a private key of Vault's in PKCS#8 DER. Raises AgentError."""
    try:
        key = load_pem_private_key(pem.encode(), None)
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("The private key that came can't be read") from error


def public_of(key_der: bytes) -> bytes:
    """Return the public half of a private key, as DER."""
    public = load_der_private_key(key_der, None).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class UnusableKey(AgentError):
    """A private key came that this machine's library can't read."""


def fits(key_der: bytes, spec: KeySpec) -> bool:
    """Return True if a kept key is of the algorithm and size that are asked for."""
    key = load_der_private_key(key_der, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return spec.algorithm == "ECDSA" and key.curve.key_size == (spec.size or 256)
    if isinstance(key, rsa.RSAPrivateKey):
        return spec.algorithm == "RSA" and key.key_size == (spec.size or 2048)
    return spec.algorithm == "Ed25519"


def request_pem(spec: CertificateSpec, key_der: bytes) -> str:
    """Return the certificate signing request for the names of `spec`, signed by the key."""
    key = load_der_private_key(key_der, None)
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise TypeError(f"{type(key).__name__} signs no requests")
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name)] if spec.common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    names = _names(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM).decode()


def _names(spec: CertificateSpec) -> list[x509.GeneralName]:
    dns = dict.fromkeys((*((spec.common_name,) if _is_host(spec.common_name) else ()), *spec.dns_names))
    return [
        *map(x509.DNSName, dns),
        *(x509.IPAddress(ip_address(one)) for one in spec.ip_addresses),
        *map(x509.UniformResourceIdentifier, spec.uris),
        *map(x509.RFC822Name, spec.email_addresses),
    ]


def _is_host(name: str) -> bool:
    """Return True if a common name is a host's, and clients look for it among the DNS names (RFC 6125)."""
    return "." in name and name.isascii() and " " not in name and "@" not in name
