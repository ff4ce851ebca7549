"""cert-manager's usage names and the X.509 bits and OIDs they stand for.

Source: cert-manager `pkg/api/util/usages.go` and the API reference of `KeyUsage`; RFC 5280 sections 4.2.1.3
and .12.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from cryptography import x509

CERT_SIGN: Final = "cert sign"
CRL_SIGN: Final = "crl sign"
DEFAULT_USAGES: Final = frozenset({"digital signature", "key encipherment"})
"""The usages of a request that names none."""

KEY_USAGE_BITS: Final = (
    "digital signature",
    "content commitment",
    "key encipherment",
    "data encipherment",
    "key agreement",
    CERT_SIGN,
    CRL_SIGN,
    "encipher only",
    "decipher only",
)
"""The bits of KeyUsage in their order, by cert-manager's names."""

_KEY_USAGES: Final = {"signing": "digital signature"} | {name: name for name in KEY_USAGE_BITS}
_EXTENDED: Final[dict[str, str]] = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}
SERVER_AND_CLIENT: Final = frozenset({_EXTENDED["server auth"], _EXTENDED["client auth"]})
"""The extended usages that TLS needs, by OID."""
ANY_USAGE: Final = _EXTENDED["any"]
"""The extended usage that stands for all, by OID."""
ONLY_ON_REQUEST: Final = frozenset(
    _EXTENDED[name] for name in ("any", "code signing", "timestamping", "ocsp signing")
)
"""Extended usages, by OID, of more than an endpoint: accepted only if requested."""
EVERY_USAGE: Final = frozenset({*_KEY_USAGES, *_EXTENDED})
"""All that a policy can name."""
# The first name of an OID counts: "email protection" before "s/mime".
_EXTENDED_NAMES: Final = {oid: name for name, oid in reversed(_EXTENDED.items())}


@dataclass(frozen=True, slots=True)
class Usages:
    """Key usages by cert-manager's name, extended ones by dotted OID, and names that stand for neither."""

    key: frozenset[str]
    extended: frozenset[str]
    unknown: frozenset[str] = frozenset()


def read_usages(names: Iterable[str], *, is_ca: bool = False) -> Usages:
    """Return the usages that these names ask for: without any the default, and for a CA also cert sign, as
    cert-manager does."""
    found = named_usages(frozenset(names) or DEFAULT_USAGES)
    return replace(found, key=found.key | {CERT_SIGN}) if is_ca else found


def named_usages(names: Iterable[str]) -> Usages:
    """Return the usages that these names stand for, without defaults."""
    asked = frozenset(names)
    key = {_KEY_USAGES[name] for name in asked if name in _KEY_USAGES}
    extended = {_EXTENDED[name] for name in asked if name in _EXTENDED}
    unknown = {name for name in asked if name not in _KEY_USAGES and name not in _EXTENDED}
    return Usages(frozenset(key), frozenset(extended), frozenset(unknown))


def certificate_usages(extensions: x509.Extensions) -> Usages:
    """Return the usages of a certificate."""
    key: frozenset[str] = frozenset()
    extended: frozenset[str] = frozenset()
    for extension in extensions:
        if isinstance(extension.value, x509.KeyUsage):
            key = _key_usages(extension.value)
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            extended = frozenset(oid.dotted_string for oid in extension.value)
    return Usages(key, extended)


def usage_name(usage: str) -> str:
    """Return the common name of a usage's OID, or the OID."""
    return _EXTENDED_NAMES.get(usage, usage)


def _key_usages(usage: x509.KeyUsage) -> frozenset[str]:
    bits = {
        "digital signature": usage.digital_signature,
        "content commitment": usage.content_commitment,
        "key encipherment": usage.key_encipherment,
        "key agreement": usage.key_agreement,
        "data encipherment": usage.data_encipherment,
        CERT_SIGN: usage.key_cert_sign,
        CRL_SIGN: usage.crl_sign,
        # The library refuses to say these without key agreement, as RFC 5280 gives them no meaning then.
        "encipher only": usage.key_agreement and usage.encipher_only,
        "decipher only": usage.key_agreement and usage.decipher_only,
    }
    return frozenset(name for name, given in bits.items() if given)
