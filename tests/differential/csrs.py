"""CSRs from a plain description, signed with a few keys that are made once a run."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KEYS = ("ecdsa256", "ecdsa384", "ecdsa521", "rsa2048", "rsa3072", "ed25519")

ATTRIBUTES = {
    "commonName": NameOID.COMMON_NAME,
    "organizations": NameOID.ORGANIZATION_NAME,
    "countries": NameOID.COUNTRY_NAME,
    "organizationalUnits": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "localities": NameOID.LOCALITY_NAME,
    "provinces": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCodes": NameOID.POSTAL_CODE,
    "serialNumber": NameOID.SERIAL_NUMBER,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a CSR asks for.

    `subject` and `other_names` pair a field's name or a dotted OID with text; a text `hex:…` is DER.
    `extensions` puts in the key usages and basic constraints that agree with the request, as cert-manager
    does. `never` are names of kinds that no policy can allow.
    """

    key: str = "ecdsa256"
    subject: tuple[tuple[str, str], ...] = ()
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    other_names: tuple[tuple[str, str], ...] = ()
    never: tuple[str, ...] = ()
    extensions: bool = False


@cache
def private_key(name: str) -> Key:
    """The run's key of that kind and size."""
    match name:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa2048" | "rsa3072":
            return rsa.generate_private_key(65537, int(name.removeprefix("rsa")))
    curves = {"ecdsa256": ec.SECP256R1(), "ecdsa384": ec.SECP384R1(), "ecdsa521": ec.SECP521R1()}
    return ec.generate_private_key(curves[name])


def build(plan: Plan, usages: tuple[str, ...] = (), *, is_ca: bool = False) -> str:
    """The signed CSR as `spec.request` holds it: base64 of PEM."""
    names = [x509.NameAttribute(_oid(field), value) for field, value in plan.subject]
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.RelativeDistinguishedName([name]) for name in names])
    )
    general = list(_general_names(plan))
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=not names)
    if plan.extensions:
        for extension, critical in _usage_extensions(usages, is_ca=is_ca):
            builder = builder.add_extension(extension, critical)
    key = private_key(plan.key)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signed = builder.sign(key, None)
    else:
        signed = builder.sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def _oid(field: str) -> x509.ObjectIdentifier:
    return ATTRIBUTES.get(field) or x509.ObjectIdentifier(field)


def _general_names(plan: Plan) -> Iterator[x509.GeneralName]:
    yield from (x509.DNSName(name) for name in plan.dns)
    yield from (x509.IPAddress(ipaddress.ip_address(text)) for text in plan.ips)
    yield from (x509.UniformResourceIdentifier(text) for text in plan.uris)
    yield from (x509.RFC822Name(text) for text in plan.emails)
    for oid, value in plan.other_names:
        yield x509.OtherName(x509.ObjectIdentifier(oid), _der(value))
    for kind in plan.never:
        if kind == "directoryName":
            inner = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inner")])
            yield x509.DirectoryName(inner)
        else:
            yield x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4"))


def _der(value: str) -> bytes:
    """A UTF8String of the text, or what `hex:` says."""
    if value.startswith("hex:"):
        return bytes.fromhex(value.removeprefix("hex:"))
    text = value.encode()
    return bytes([0x0C, len(text)]) + text  # texts here are shorter than 128 bytes


# Names of cert-manager's API for the bits of RFC 5280, 4.2.1.3 and OIDs of 4.2.1.12.
_KEY_USAGES = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
}
_EXTENDED = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
USAGES = (*_KEY_USAGES, *_EXTENDED)
_DEFAULTS = ("digital signature", "key encipherment")


def _usage_extensions(usages: tuple[str, ...], *, is_ca: bool) -> Iterator[tuple[x509.ExtensionType, bool]]:
    asked = usages or _DEFAULTS
    names = (*_KEY_USAGES.values(), "encipher_only", "decipher_only")
    bits = dict.fromkeys(names, False) | {_KEY_USAGES[one]: True for one in asked if one in _KEY_USAGES}
    if is_ca:
        bits["key_cert_sign"] = True
        yield x509.BasicConstraints(ca=True, path_length=None), True
    if any(bits.values()):
        yield x509.KeyUsage(**bits), True
    extended = [_EXTENDED[one] for one in asked if one in _EXTENDED]
    if extended:
        yield x509.ExtendedKeyUsage(extended), False
