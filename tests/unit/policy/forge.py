"""CSRs with any bytes in them, which no library would write, signed so that they are read."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.policy.compiled import CompiledPolicy, compile_policy
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.x509.request import read_request

CN, OU, C, SERIAL = "2.5.4.3", "2.5.4.11", "2.5.4.6", "2.5.4.5"
ORG = "2.5.4.10"
SAN, KU, EKU, BC, SKI = "2.5.29.17", "2.5.29.15", "2.5.29.37", "2.5.29.19", "2.5.29.14"
UPN = "1.3.6.1.4.1.311.20.2.3"
SERVER_AUTH, CLIENT_AUTH, OCSP_SIGNING = (f"1.3.6.1.5.5.7.3.{n}" for n in (1, 2, 9))
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
EVERYTHING = {"values": ["*"]}


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with this tag octet."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE."""
    return tlv(0x30, *parts)


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    content = b""
    for arc in [first * 40 + second, *rest]:
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.insert(0, 0x80 | arc & 0x7F)
        content += bytes(octets)
    return tlv(0x06, content)


def utf8(text: str) -> bytes:
    """Encode a UTF8String."""
    return tlv(0x0C, text.encode())


def attribute(kind: str, value: bytes | str) -> bytes:
    """An attribute of a subject; a text is a UTF8String."""
    return sequence(oid(kind), utf8(value) if isinstance(value, str) else value)


def subject(*relative_names: bytes | list[bytes]) -> bytes:
    """A Name: each part is an attribute, or several of them in one multi-valued relative name."""
    sets = (tlv(0x31, *([part] if isinstance(part, bytes) else part)) for part in relative_names)
    return sequence(*sets)


def dns(text: str) -> bytes:
    """Encode a dNSName."""
    return tlv(0x82, text.encode())


def other_name(kind: str, value: bytes, behind: bytes = b"") -> bytes:
    """An otherName, with bytes behind its value inside the [0] tag."""
    return tlv(0xA0, oid(kind), tlv(0xA0, value, behind))


def extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    """Encode an Extension."""
    return sequence(oid(kind), b"\x01\x01\xff" if critical else b"", tlv(0x04, value))


def sans(*names: bytes) -> bytes:
    """A SubjectAlternativeName extension."""
    return extension(SAN, sequence(*names))


def key_usage(bits: int) -> bytes:
    """A KeyUsage extension; bit 0 (digital signature) is 0x80."""
    unused = (bits & -bits).bit_length() - 1 if bits else 0
    return extension(KU, tlv(0x03, bytes([unused, bits])), critical=True)


def extended_key_usage(*kinds: str) -> bytes:
    """An ExtendedKeyUsage extension."""
    return extension(EKU, sequence(*map(oid, kinds)))


def extension_request(*extensions: bytes) -> bytes:
    """The attribute that asks for extensions."""
    return sequence(oid(EXTENSION_REQUEST), tlv(0x31, sequence(*extensions)))


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """The key of all forged requests."""
    return ec.generate_private_key(ec.SECP256R1())


def csr(*extensions: bytes, name: bytes = sequence(), attributes: Iterable[bytes] | None = None) -> bytes:
    """A CSR as PEM with these bytes for subject and extensions, or these attributes instead."""
    public = key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if attributes is None:
        attributes = [extension_request(*extensions)] if extensions else []
    information = sequence(b"\x02\x01\x00", name, public, tlv(0xA0, *sorted(attributes)))
    signature = key().sign(information, ec.ECDSA(hashes.SHA256()))
    der = sequence(information, sequence(oid(ECDSA_SHA256)), tlv(0x03, b"\0", signature))
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"


def facts(
    pem: bytes,
    *,
    usages: tuple[str, ...] = (),
    is_ca: bool = False,
    duration: timedelta | None = None,
    username: str = "system:serviceaccount:team-a:app",
    groups: tuple[str, ...] = ("system:authenticated",),
) -> RequestFacts:
    """A request `team-a/request` with this CSR."""
    reference = IssuerReference("demo", "VaultClusterIssuer", "vault-issuer.io")
    return RequestFacts(
        *("request", "team-a", username, groups, reference, read_request(pem), duration, usages, is_ca)
    )


def policy(name: str = "policy", /, **spec: Any) -> CompiledPolicy:
    """A policy for all issuers. `allowed` and `constraints` are as in YAML."""
    return compile_policy(name, {"selector": {"issuerRef": {}}, **spec})
