"""Extensions that the CSR itself asks for, compared with the request's spec.

A policy allows `isCA` and `usages` of the spec; a CSR that asks for more would get it from a CA that copies
extensions, as verbatim signing does. cert-manager writes the spec's usages into the CSRs it makes, so those
agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import Final

from issuer.policy.facts import RequestFacts
from issuer.policy.shown import shown_list
from issuer.policy.violation import Violation
from issuer.x509.encoding.der import OCTET_STRING, Extension
from issuer.x509.extensions import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    NAME_CONSTRAINTS,
    SUBJECT_KEY_IDENTIFIER,
    read_basic_constraints,
    read_extended_key_usage,
    read_key_usage,
)
from issuer.x509.keys.public import subject_key_identifier
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME
from issuer.x509.usages import read_usages, usage_name

MICROSOFT_EXTENSIONS: Final = "1.3.6.1.4.1.311.2.1.14"
"""Microsoft's attribute for requested extensions; some CAs honour it beside the standard one."""

_MAX_REPORTED: Final = 10


def extension_violations(facts: RequestFacts) -> Iterator[Violation]:
    """Yield the CSR's extensions that go beyond the request's spec, or that no policy can allow."""
    others = 0
    for extension in facts.csr.extensions:
        if extension.oid == SUBJECT_ALTERNATIVE_NAME:
            continue
        if known := _KNOWN.get(extension.oid):
            yield from known(extension, facts)
            continue
        others += 1
        if others <= _MAX_REPORTED:
            yield Violation(
                f"spec.allowed.extensions[{extension.oid}]",
                "the CSR asks for this extension, which no policy can allow; make the CSR without it",
            )
    if MICROSOFT_EXTENSIONS in facts.csr.attributes:
        yield Violation(
            "spec.allowed.extensions",
            f"the CSR asks for extensions in the attribute {MICROSOFT_EXTENSIONS}; make the CSR without it",
        )


def _basic_constraints(extension: Extension, facts: RequestFacts) -> Iterator[Violation]:
    path = "spec.allowed.isCA"
    try:
        is_ca = read_basic_constraints(extension.value).ca
    except ValueError as error:
        yield Violation(path, f"the CSR's basicConstraints can't be decoded: {error}")
        return
    if is_ca and not facts.is_ca:
        yield Violation(path, "the CSR asks for CA:TRUE, and the request has no spec.isCA")


def _key_usage(extension: Extension, facts: RequestFacts) -> Iterator[Violation]:
    listed = read_usages(facts.usages, is_ca=facts.is_ca).key
    return _usages(extension, "keyUsage", read_key_usage, listed)


def _extended_key_usage(extension: Extension, facts: RequestFacts) -> Iterator[Violation]:
    listed = read_usages(facts.usages, is_ca=facts.is_ca).extended
    return _usages(extension, "extendedKeyUsage", read_extended_key_usage, listed)


def _usages(
    extension: Extension, name: str, read: Callable[[bytes], Set[str]], listed: Set[str]
) -> Iterator[Violation]:
    path = "spec.allowed.usages"
    try:
        beyond = read(extension.value) - listed
    except ValueError as error:
        yield Violation(path, f"the CSR's {name} can't be decoded: {error}")
        return
    if beyond:
        named = sorted(usage_name(oid) for oid in beyond)
        yield Violation(path, f"the CSR asks for {shown_list(named)}, which spec.usages doesn't list")


def _subject_key_identifier(extension: Extension, facts: RequestFacts) -> Iterator[Violation]:
    # By the key's own hash it says nothing new; any other could pose as another key's.
    digest = subject_key_identifier(facts.csr.public_key)
    if extension.value != bytes([OCTET_STRING, len(digest)]) + digest:
        yield Violation(
            f"spec.allowed.extensions[{SUBJECT_KEY_IDENTIFIER}]",
            "the CSR asks for a key identifier that is not its key's SHA-1 hash; make the CSR without it",
        )


def _name_constraints(_extension: Extension, facts: RequestFacts) -> Iterator[Violation]:
    why = "this version issues none" if facts.is_ca else "only a CA may have them (RFC 5280 section 4.2.1.10)"
    yield Violation(
        f"spec.allowed.extensions[{NAME_CONSTRAINTS}]",
        f"the CSR asks for name constraints, and {why}; take spec.nameConstraints out of the Certificate",
    )


_KNOWN: Final[dict[str, Callable[[Extension, RequestFacts], Iterator[Violation]]]] = {
    BASIC_CONSTRAINTS: _basic_constraints,
    KEY_USAGE: _key_usage,
    NAME_CONSTRAINTS: _name_constraints,
    EXTENDED_KEY_USAGE: _extended_key_usage,
    SUBJECT_KEY_IDENTIFIER: _subject_key_identifier,
}
