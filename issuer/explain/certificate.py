"""CSR that cert-manager would make for a Certificate, with a key of our own.

Facts: cert-manager 1.21 `pkg/util/pki/csr.go` (GenerateCSR) with its default feature gates: usages are put
into the CSR unless `encodeUsagesInRequest` is false, basicConstraints are not, several values of one
subject attribute share one RDN, `literalSubject`, `otherNames` and `nameConstraints` count.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from issuer.manifests.errors import BadInput
from issuer.manifests.fields import Fields
from issuer.x509.encoding.der import element
from issuer.x509.usages import read_usages

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Final[dict[int, ec.EllipticCurve]] = {
    256: ec.SECP256R1(),
    384: ec.SECP384R1(),
    521: ec.SECP521R1(),
}
_RSA_SIZES: Final = range(2048, 8192 + 1)
# Go's order of attributes in a name, by their field in `spec.subject`.
_SUBJECT: Final = (
    ("countries", NameOID.COUNTRY_NAME),
    ("organizations", NameOID.ORGANIZATION_NAME),
    ("organizationalUnits", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("localities", NameOID.LOCALITY_NAME),
    ("provinces", NameOID.STATE_OR_PROVINCE_NAME),
    ("streetAddresses", NameOID.STREET_ADDRESS),
    ("postalCodes", NameOID.POSTAL_CODE),
)
# The bits of KeyUsage in their order (RFC 5280, 4.2.1.3), by cert-manager's names.
_BITS: Final = (
    "digital signature",
    "content commitment",
    "key encipherment",
    "data encipherment",
    "key agreement",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
)
_KEY_USAGE: Final = ObjectIdentifier("2.5.29.15")
_UTF8_STRING: Final = 0x0C


def request_for(spec: Fields) -> bytes:
    """Return the PEM request for a Certificate's spec. Raises BadInput where cert-manager would make none."""
    try:
        subject = _subject(spec)
        names = list(_names(spec))
        if not names and not subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            raise spec.bad("commonName", "is missing, and there are no dnsNames or other names either")
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not subject.rdns)
        for extension, critical in _other_extensions(spec):
            builder = builder.add_extension(extension, critical)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{spec.where}: cert-manager could make no request of it: {error}") from error
    key = _key(*_key_kind(spec))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def _subject(spec: Fields) -> x509.Name:
    literal = spec.text("literalSubject")
    if literal:
        return x509.Name.from_rfc4514_string(literal)
    subject = spec.inner("subject")
    rdns = [_rdn(oid, subject.texts(key)) for key, oid in _SUBJECT if subject.texts(key)]
    if spec.text("commonName"):
        rdns.append(_rdn(NameOID.COMMON_NAME, [spec.text("commonName")]))
    if subject.text("serialNumber"):
        rdns.append(_rdn(NameOID.SERIAL_NUMBER, [subject.text("serialNumber")]))
    return x509.Name(rdns)


def _rdn(oid: ObjectIdentifier, values: Sequence[str]) -> x509.RelativeDistinguishedName:
    # Unvalidated lengths, as Go writes any: whether a country may be longer than two letters is judged later.
    attributes = [x509.NameAttribute(oid, value, _validate=False) for value in dict.fromkeys(values)]
    return x509.RelativeDistinguishedName(attributes)


def _names(spec: Fields) -> Iterator[x509.GeneralName]:
    for text in spec.texts("emailAddresses"):
        yield x509.RFC822Name(text)
    for text in spec.texts("dnsNames"):
        yield x509.DNSName(text)
    for text in spec.texts("uris"):
        yield x509.UniformResourceIdentifier(text)
    for text in spec.texts("ipAddresses"):
        yield x509.IPAddress(ipaddress.ip_address(text))
    for other in spec.objects("otherNames"):
        value = other.text("utf8Value").encode()
        yield x509.OtherName(ObjectIdentifier(other.text("oid")), element(_UTF8_STRING, value))


def _other_extensions(spec: Fields) -> Iterator[tuple[x509.ExtensionType, bool]]:
    usages = read_usages(spec.texts("usages"), is_ca=spec.flag("isCA"))
    if usages.unknown:
        raise spec.bad("usages", f"has names that are no usages: {', '.join(sorted(usages.unknown))}")
    if spec.flag("encodeUsagesInRequest", default=True):
        if usages.key:
            yield x509.UnrecognizedExtension(_KEY_USAGE, _key_usage(usages.key)), True
        if usages.extended:
            oids = [ObjectIdentifier(oid) for oid in sorted(usages.extended)]
            yield x509.ExtendedKeyUsage(oids), False
    constraints = spec.inner("nameConstraints")
    permitted, excluded = (list(_subtrees(constraints.inner(key))) for key in ("permitted", "excluded"))
    if permitted or excluded:
        yield x509.NameConstraints(permitted or None, excluded or None), constraints.flag("critical")


def _subtrees(item: Fields) -> Iterator[x509.GeneralName]:
    yield from map(x509.DNSName, item.texts("dnsDomains"))
    yield from (x509.IPAddress(ipaddress.ip_network(text)) for text in item.texts("ipRanges"))
    yield from map(x509.RFC822Name, item.texts("emailAddresses"))
    yield from map(x509.UniformResourceIdentifier, item.texts("uriDomains"))


def _key_usage(names: frozenset[str]) -> bytes:
    """Encode KeyUsage as DER; the library refuses combinations that cert-manager writes."""
    bits = [position for position, name in enumerate(_BITS) if name in names]
    value = sum(1 << (15 - bit) for bit in bits).to_bytes(2, "big")
    content = value if bits[-1] > 7 else value[:1]
    unused = len(content) * 8 - 1 - bits[-1]
    return element(0x03, bytes([unused]) + content)


def _key_kind(spec: Fields) -> tuple[str, int]:
    wanted = spec.inner("privateKey")
    algorithm = wanted.text("algorithm") or "RSA"
    size = wanted.number("size")
    if algorithm == "Ed25519":
        return algorithm, 0
    sizes: Mapping[str, tuple[int, range | Mapping[int, Any]]] = {
        "RSA": (2048, _RSA_SIZES),
        "ECDSA": (256, _CURVES),
    }
    if algorithm not in sizes:
        raise wanted.bad("algorithm", "is none of RSA, ECDSA, Ed25519")
    default, allowed = sizes[algorithm]
    if (size or default) not in allowed:
        shown = "2048 to 8192" if algorithm == "RSA" else "256, 384 or 521"
        raise wanted.bad("size", f"must be {shown} for {algorithm}")
    return algorithm, size or default


@lru_cache(maxsize=16)
def _key(algorithm: str, size: int) -> Key:
    """Return a key of this kind, made once a process: only its kind counts, and large ones take seconds."""
    if algorithm == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ECDSA":
        return ec.generate_private_key(_CURVES[size])
    return rsa.generate_private_key(public_exponent=65537, key_size=size)
