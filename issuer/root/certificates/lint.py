"""A CA certificate against RFC 5280 and the profile of `profile`, before it is signed with the root's key.

What is linted is made by a throwaway key: all its fields are those that will be signed, but the signature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from issuer.root.certificates.constraints import constraints_of, wider_than
from issuer.root.certificates.keys import PublicKey, public_der
from issuer.root.certificates.profile import authority_key_identifier
from issuer.x509.certificates import information
from issuer.x509.chains.chain import Chain
from issuer.x509.chains.constraints import violations
from issuer.x509.keys.public import read_key

SMALLEST_RSA: Final = 3072
RSA_2048_ENDS: Final = datetime(2031, 1, 1, tzinfo=UTC)
"""The end of 112 bits of strength, which is that of RSA 2048 (NIST SP 800-57 part 1, table 4)."""
LONGEST_URL: Final = 2000
"""Characters; more is no address that software takes as it is."""
LATEST_END: Final = datetime(9999, 1, 1, tzinfo=UTC)


class LintCode(StrEnum):
    """Kinds of findings."""

    AUTHORITY_KEY_ID = "AuthorityKeyID"
    BASIC_CONSTRAINTS = "BasicConstraints"
    COUNTRY = "Country"
    CRITICAL = "Critical"
    DIGEST = "Digest"
    EMPTY_SUBJECT = "EmptySubject"
    EXTENSION = "Extension"
    ISSUER_NAME = "IssuerName"
    KEY = "Key"
    KEY_USAGE = "KeyUsage"
    LIFETIME = "Lifetime"
    NAME_CONSTRAINTS = "NameConstraints"
    NAME_LENGTH = "NameLength"
    OUTLIVES_ISSUER = "OutlivesIssuer"
    PATH_LENGTH = "PathLength"
    SELF_ISSUED = "SelfIssued"
    SERIAL = "Serial"
    SUBJECT_KEY_ID = "SubjectKeyID"
    URL = "URL"
    VERSION = "Version"


@dataclass(frozen=True, slots=True)
class CertificateLintFinding:
    """One thing that the certificate should not be; `message` is a sentence."""

    code: LintCode
    message: str


@dataclass(frozen=True, slots=True)
class _Subject:
    """The certificate and the one that signs it; itself for a root."""

    certificate: x509.Certificate
    issuer: x509.Certificate

    @property
    def is_root(self) -> bool:
        return self.certificate is self.issuer


Found = Iterator[tuple[LintCode, str]]


def lint(
    certificate: x509.Certificate, issuer: x509.Certificate | None = None
) -> tuple[CertificateLintFinding, ...]:
    """Return all that is wrong with a CA certificate. Without `issuer` it is judged as a root."""
    subject = _Subject(certificate, certificate if issuer is None else issuer)
    return tuple(CertificateLintFinding(code, text) for check in _CHECKS for code, text in check(subject))


def key_problem(key: PublicKey, ends: datetime) -> str | None:
    """Return why a key is too weak for a CA that expires then, in words that complete "it ..."."""
    found = read_key(key)
    if not found.algorithm:
        return "is of a kind that not all software knows; take RSA, EC on a NIST curve, or Ed25519"
    if found.flaw:
        return found.flaw
    if found.algorithm == "RSA" and found.size < SMALLEST_RSA:
        if found.size < 2048:
            return f"has {found.size} bits; take at least {SMALLEST_RSA}"
        if ends > RSA_2048_ENDS:
            return f"has {found.size} bits, which don't hold beyond 2030; take {SMALLEST_RSA}, or EC P-384"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size < 256:
        return f"has a curve of {key.curve.key_size} bits; take P-256 or P-384"
    return None


def _form(it: _Subject) -> Found:
    certificate = it.certificate
    if certificate.version is not x509.Version.v3:
        yield LintCode.VERSION, "it is not of version 3"
    bits = certificate.serial_number.bit_length()
    # A random number of 64 bits begins with some zeros; of 33 zeros it wouldn't in an age.
    if certificate.serial_number <= 0 or bits <= 32 or bits > 159:
        yield LintCode.SERIAL, f"its serial number has {bits} bits; take 64 to 159 random ones"
    digest = certificate.signature_hash_algorithm
    if isinstance(digest, hashes.SHA1 | hashes.MD5 | hashes.SHA224):
        yield LintCode.DIGEST, f"its signature takes {digest.name}"


def _names(it: _Subject) -> Found:
    certificate = it.certificate
    if not list(certificate.subject):
        yield LintCode.EMPTY_SUBJECT, "its subject is empty"
    if information(certificate).issuer != information(it.issuer).subject:
        yield LintCode.ISSUER_NAME, "its issuer's name differs, in its bytes, from the issuer's subject"
    if not it.is_root and certificate.subject == it.issuer.subject:
        yield LintCode.SELF_ISSUED, "its subject is the root's own name"
    for attribute in certificate.subject:
        bound = _BOUNDS.get(attribute.oid)
        length = len(attribute.value)
        if bound is not None and not 0 < length <= bound:
            yield (
                LintCode.NAME_LENGTH,
                f"{attribute.rfc4514_attribute_name} has {length} of {bound} characters",
            )
        if attribute.oid == NameOID.COUNTRY_NAME and not _is_country(attribute.value):
            yield LintCode.COUNTRY, "its country is not two capital letters"


def _is_country(text: str | bytes) -> bool:
    return isinstance(text, str) and len(text) == 2 and text.isascii() and text.isalpha() and text.isupper()


def _life(it: _Subject) -> Found:
    begin, end = it.certificate.not_valid_before_utc, it.certificate.not_valid_after_utc
    if not begin < end < LATEST_END:
        yield LintCode.LIFETIME, "it expires before it begins, or never"
    if begin < it.issuer.not_valid_before_utc or end > it.issuer.not_valid_after_utc:
        yield LintCode.OUTLIVES_ISSUER, "it is valid outside the lifetime of the CA that signs it"


def _key(it: _Subject) -> Found:
    key = it.certificate.public_key()
    if not isinstance(key, PublicKey):
        yield LintCode.KEY, "its key is neither RSA, EC nor Ed25519"
        return
    problem = key_problem(key, it.certificate.not_valid_after_utc)
    if problem is not None:
        yield LintCode.KEY, f"its key {problem}"
    if not it.is_root and _own_key(it.issuer) == public_der(key):
        yield LintCode.KEY, "its key is the root's own"


def _own_key(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    return public_der(key) if isinstance(key, PublicKey) else b""


def _basic(it: _Subject) -> Found:
    constraints = _value(it.certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield LintCode.BASIC_CONSTRAINTS, "it is not a CA by basicConstraints"
        return
    above = _value(it.issuer, x509.BasicConstraints)
    room = None if above is None or it.is_root else above.path_length
    if room is None:
        return
    if room == 0:
        yield LintCode.PATH_LENGTH, "the root's path length is 0: no CA may follow it"
    elif constraints.path_length is None or constraints.path_length >= room:
        given = "no bound" if constraints.path_length is None else constraints.path_length
        yield (
            LintCode.PATH_LENGTH,
            f"its path length is {given}; below the root, with {room}, it must be less",
        )


def _usage(it: _Subject) -> Found:
    usage = _value(it.certificate, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign or not usage.crl_sign:
        yield LintCode.KEY_USAGE, "its key usage lacks signing of certificates, or of CRLs"
    elif usage.key_agreement or usage.key_encipherment or usage.data_encipherment or usage.content_commitment:
        yield LintCode.KEY_USAGE, "its key usage has more than a CA needs"


def _key_ids(it: _Subject) -> Found:
    if _value(it.certificate, x509.SubjectKeyIdentifier) is None:
        yield LintCode.SUBJECT_KEY_ID, "it has no subject key identifier"
    authority = _value(it.certificate, x509.AuthorityKeyIdentifier)
    if authority is None:
        if not it.is_root:
            yield LintCode.AUTHORITY_KEY_ID, "it has no authority key identifier"
    elif authority.key_identifier not in (None, authority_key_identifier(it.issuer).key_identifier):
        yield LintCode.AUTHORITY_KEY_ID, "its authority key identifier is not that of the CA that signs it"


def _constraints(it: _Subject) -> Found:
    own = constraints_of(it.certificate)
    subtrees = [] if own is None else [*(own.permitted_subtrees or ()), *(own.excluded_subtrees or ())]
    for one in subtrees:
        if isinstance(one, x509.DNSName) and ("*" in one.value or one.value.startswith(".")):
            yield LintCode.NAME_CONSTRAINTS, f"the constraint {one.value} is not a plain domain"
    if it.is_root:
        return
    for text in wider_than(own, constraints_of(it.issuer)):
        yield LintCode.NAME_CONSTRAINTS, f"it permits {text}, which the root's own constraints don't"
    chain = Chain(it.certificate, (), it.issuer, complete=True)
    for text in islice(violations(chain), 5):
        yield LintCode.NAME_CONSTRAINTS, text


def _urls(it: _Subject) -> Found:
    for url in urls_of(it.certificate):
        problem = url_problem(url)
        if problem is not None:
            yield LintCode.URL, f"{url[:200]} {problem}"


def url_problem(url: str) -> str | None:
    """Return why a URL can't stand in a certificate, in words that complete "it ..."."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        return "is no URL"
    if parts.scheme == "https":
        return "is https, for which readers would need a certificate first; take http (RFC 5280, 4.2.1.13)"
    if parts.scheme != "http" or not parts.hostname:
        return "is not of the form http://HOST/PATH"
    if len(url) > LONGEST_URL:
        return f"is longer than {LONGEST_URL} characters"
    if not url.isascii() or not url.isprintable() or " " in url or parts.username or parts.fragment:
        return "holds blanks, a login, a fragment or characters beyond ASCII"
    return None


def urls_of(certificate: x509.Certificate) -> list[str]:
    """Return the URLs of CRLs and issuers in a certificate."""
    points = _value(certificate, x509.CRLDistributionPoints) or ()
    places = _value(certificate, x509.AuthorityInformationAccess) or ()
    names = [*(name for point in points for name in point.full_name or ())]
    names += [one.access_location for one in places]
    return [str(name.value) for name in names]


def _extensions(it: _Subject) -> Found:
    found = list(it.certificate.extensions)
    for oid, count in Counter(one.oid for one in found).items():
        if count > 1:
            yield LintCode.EXTENSION, f"the extension {oid.dotted_string} is there twice"
    for one in found:
        critical = _CRITICAL.get(one.oid)
        if critical is None and not it.is_root:
            yield LintCode.EXTENSION, f"the extension {one.oid.dotted_string} has no place in it"
        elif critical is not None and one.critical is not critical:
            yield LintCode.CRITICAL, f"{one.oid._name} is {'' if one.critical else 'not '}critical"


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def _value(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    return next((one.value for one in certificate.extensions if isinstance(one.value, kind)), None)


_BOUNDS: Final = {
    NameOID.COMMON_NAME: 64,
    NameOID.ORGANIZATION_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.LOCALITY_NAME: 128,
    NameOID.STATE_OR_PROVINCE_NAME: 128,
    NameOID.COUNTRY_NAME: 2,
    NameOID.SERIAL_NUMBER: 64,
}
"""Upper bounds of RFC 5280, appendix A.1."""
_CRITICAL: Final = {
    ExtensionOID.BASIC_CONSTRAINTS: True,
    ExtensionOID.KEY_USAGE: True,
    ExtensionOID.NAME_CONSTRAINTS: True,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    ExtensionOID.CRL_DISTRIBUTION_POINTS: False,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: False,
}
_CHECKS: Final[tuple[Callable[[_Subject], Found], ...]] = (
    *(_form, _names, _life, _key, _basic, _usage, _key_ids, _constraints, _urls, _extensions),
)
