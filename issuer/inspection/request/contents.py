"""Contents of CSRs and certificates, as JSON. Pure.

Everything in them is somebody else's text: nothing is left out for being odd; `tables` shows it safely.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.duration import format_seconds
from issuer.policy.evaluation import defect_violations
from issuer.policy.extensions import extension_violations
from issuer.policy.facts import RequestFacts
from issuer.text import ascii_text, rfc3339
from issuer.x509.certificates import (
    MAX_BUNDLE_BYTES,
    Certificate,
    alternative_names,
    basic_constraints,
    decoded,
    information,
    usages,
)
from issuer.x509.chains.bundle import Bundle, read_bundle
from issuer.x509.contents import RequestPart
from issuer.x509.describe import fingerprint, issuer_text, serial_hex, subject_text
from issuer.x509.encoding.der import SEQUENCE, Extension, items, only
from issuer.x509.errors import InvalidCertificate
from issuer.x509.extensions import (
    AUTHORITY_KEY_IDENTIFIER,
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    SUBJECT_KEY_IDENTIFIER,
    asked_constraints,
    read_basic_constraints,
    read_extended_key_usage,
    read_key_usage,
)
from issuer.x509.keys.public import Key, read_key
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME, read_general_names
from issuer.x509.request import CertificateSigningRequest
from issuer.x509.usages import usage_name

_MOST_HEX: Final = 64
_NAMES: Final = {
    BASIC_CONSTRAINTS: "basicConstraints",
    KEY_USAGE: "keyUsage",
    EXTENDED_KEY_USAGE: "extendedKeyUsage",
    SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
    SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    "2.5.29.18": "issuerAltName",
    NAME_CONSTRAINTS: "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.32": "certificatePolicies",
    "1.3.6.1.5.5.7.1.1": "authorityInfoAccess",
    "1.3.6.1.5.5.7.1.24": "tlsFeature",
    "1.3.6.1.5.5.7.48.1.5": "ocspNoCheck",
}


def request_json(csr: CertificateSigningRequest) -> dict[str, Any]:
    """Return a CSR's subject, names, key, extensions; `unreadable` are parts that readers differ about."""
    names = [
        f"{part.value} {oid} {value.text}" if oid else f"{part.value} {value.text}"
        for (part, oid), values in csr.contents.values.items()
        if part is not RequestPart.ATTRIBUTE
        for value in values
    ]
    return {
        "subject": ascii_text(csr.subject.rfc4514_string()),
        "names": names,
        "key": key_text(csr.key),
        "extensions": [extension_json(one) for one in csr.extensions],
        "unreadable": [one.message for one in defect_violations(csr.contents)],
    }


def spec_differences(facts: RequestFacts) -> list[str]:
    """Return where the CSR and the request's spec say different things."""
    found = [
        f"{one.field.removeprefix('spec.allowed.')}: {one.message}" for one in extension_violations(facts)
    ]
    try:
        constraints = asked_constraints(facts.csr.extensions)
    except ValueError:
        return found  # it is among the others
    if facts.is_ca and constraints is not None and not constraints.ca:
        found.append("isCA: the request has spec.isCA, and the CSR asks for CA:FALSE")
    return found


def certificate_json(certificate: Certificate, now: datetime) -> dict[str, Any]:
    """Return a certificate's fields; `left` is its remaining life at `now`, negative once it has ended."""
    constraints, rights = basic_constraints(certificate), usages(certificate)
    extensions = information(certificate).extensions
    return {
        "subject": subject_text(certificate),
        "issuer": issuer_text(certificate),
        "serial": serial_hex(certificate),
        "names": sorted(str(name) for name in alternative_names(certificate)),
        "key": _key(certificate),
        **validity_json(certificate, now),
        "isCA": constraints is not None and constraints.ca,
        "pathLength": None if constraints is None else constraints.path_length,
        "keyUsages": sorted(rights.key),
        "extendedKeyUsages": sorted(usage_name(oid) for oid in rights.extended),
        "subjectKeyId": _identifier(extensions, SUBJECT_KEY_IDENTIFIER),
        "authorityKeyId": _identifier(extensions, AUTHORITY_KEY_IDENTIFIER),
        "sha256": fingerprint(certificate),
        "extensions": [extension_json(one) for one in extensions],
    }


def _key(certificate: Certificate) -> str:
    known = decoded(certificate)
    return "" if known is None else key_text(read_key(known.public_key()))


def validity_json(certificate: Certificate, now: datetime) -> dict[str, Any]:
    """Return begin and end of a certificate's validity, and how much of it is left at `now`."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return {"notBefore": rfc3339(begin), "notAfter": rfc3339(end), "left": _left(end - now)}


def _left(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=2) else format_seconds(span)


def extension_json(extension: Extension) -> dict[str, Any]:
    """Return an extension's OID, its name if it is a usual one, and its value in words or hexadecimal."""
    read = _READERS.get(extension.oid)
    try:
        value = _hex(extension.value) if read is None else read(extension.value)
    except ValueError as error:
        value = f"can't be decoded ({error}): {_hex(extension.value)}"
    return {
        "oid": extension.oid,
        "name": _NAMES.get(extension.oid, ""),
        "critical": extension.critical,
        "value": value,
    }


def key_text(key: Key) -> str:
    """Return a key's algorithm and size."""
    return f"{key.algorithm or 'another kind of key'}{f' {key.size}' if key.size > 0 else ''}"


def read_status(field: object, read: Callable[[bytes], Bundle] = read_bundle) -> tuple[Certificate, ...]:
    """Return the certificates in a status field (base64 of PEM), () for none. Raises InvalidCertificate."""
    if not field:
        return ()
    if not isinstance(field, str) or len(field) > MAX_BUNDLE_BYTES * 4 // 3 + 4:
        raise InvalidCertificate(f"it is no text of at most {MAX_BUNDLE_BYTES} bytes")
    try:
        pem = base64.b64decode(field, validate=True)
    except ValueError as error:
        raise InvalidCertificate("it is not base64") from error
    return read(pem).certificates


def _identifier(extensions: Iterable[Extension], oid: str) -> str:
    found = next((one for one in extensions if one.oid == oid), None)
    return "" if found is None else str(extension_json(found)["value"])


def _hex(value: bytes) -> str:
    shown = value[:_MOST_HEX].hex()
    return f"{shown}… ({len(value)} bytes)" if len(value) > _MOST_HEX else shown


def _constraints_text(value: bytes) -> str:
    found = read_basic_constraints(value)
    length = "" if found.path_length is None else f", path length {found.path_length}"
    return f"CA:{'TRUE' if found.ca else 'FALSE'}{length}"


def _extended_text(value: bytes) -> str:
    return ", ".join(sorted(usage_name(oid) for oid in read_extended_key_usage(value)))


def _names_text(value: bytes) -> str:
    return ", ".join(sorted(map(str, read_general_names(value))))


def _subject_key(value: bytes) -> str:
    return only(value, 0x04).content.hex(":")


def _authority_key(value: bytes) -> str:
    return next(_key_identifiers(value), _hex(value))


def _key_identifiers(value: bytes) -> Iterator[str]:
    for item in items(only(value, SEQUENCE).content):
        if item.tag == 0x80:
            yield item.content.hex(":")


_READERS: Final[dict[str, Callable[[bytes], str]]] = {
    BASIC_CONSTRAINTS: _constraints_text,
    KEY_USAGE: lambda value: ", ".join(sorted(read_key_usage(value))),
    EXTENDED_KEY_USAGE: _extended_text,
    SUBJECT_ALTERNATIVE_NAME: _names_text,
    SUBJECT_KEY_IDENTIFIER: _subject_key,
    AUTHORITY_KEY_IDENTIFIER: _authority_key,
}
