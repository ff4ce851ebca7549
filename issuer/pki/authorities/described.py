"""CA certificates as fields of an authority in `pki.yaml`, as far as they tell how they were made. Pure."""

from __future__ import annotations

from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.pki.authorities.parts import SUBJECT_FIELDS, key_kind

_BACKDATED: Final = 30
"""Seconds by which Vault dates certificates back."""


def fields_of(certificate: x509.Certificate) -> dict[str, Any]:
    """Return subject, key, lifetime and constraints of a CA certificate, in the file's keys.

    Raises ValueError, with the reason, for a certificate that a file can't describe.
    """
    return {
        "subject": _subject(certificate),
        "key": _key(certificate),
        "lifetime": _lifetime(certificate),
        **_constraints(certificate),
    }


def _lifetime(certificate: x509.Certificate) -> str:
    seconds = int((certificate.not_valid_after_utc - certificate.not_valid_before_utc).total_seconds())
    hours = round((seconds - _BACKDATED) / 3600)
    near = abs(hours * 3600 - seconds + _BACKDATED) <= 2 * _BACKDATED
    return f"{hours}h" if near and hours else f"{seconds - _BACKDATED}s"


def _subject(certificate: x509.Certificate) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in certificate.subject:
        value = str(attribute.value)
        if attribute.oid == NameOID.COMMON_NAME and "commonName" not in found:
            found["commonName"] = value
        elif attribute.oid in SUBJECT_FIELDS:
            found.setdefault(SUBJECT_FIELDS[attribute.oid], []).append(value)
        else:
            raise ValueError(f"its subject has {attribute.rfc4514_string()}, for which a file has no key")
    return found


def _key(certificate: x509.Certificate) -> dict[str, Any]:
    kind, bits = key_kind(certificate)
    if kind == "other":
        raise ValueError("its key is of a type that a file can't name")
    return {"type": kind, "bits": bits} if bits else {"type": kind}


def _constraints(certificate: x509.Certificate) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.path_length is not None:
            found["maxPathLength"] = value.path_length
        if isinstance(value, x509.NameConstraints):
            permitted = value.permitted_subtrees or []
            if value.excluded_subtrees or not all(isinstance(one, x509.DNSName) for one in permitted):
                raise ValueError("it has name constraints other than permitted DNS domains")
            found["permittedDNSDomains"] = [one.value for one in permitted]
    return found
