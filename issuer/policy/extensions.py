"""Extensions that the CSR itself asks for, held against what the request's spec says.

A policy allows what the spec says (`isCA`, `usages`); a CSR that asks for more would get it from a CA that
copies extensions, as Vault's `sign-verbatim` does. cert-manager writes the same usages into the CSRs it
makes, so those agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from issuer.policy.facts import Facts
from issuer.policy.shown import shown_list
from issuer.policy.violation import Violation
from issuer.x509.contents import subject_key_identifier
from issuer.x509.der import BOOLEAN, OCTET_STRING, OID, SEQUENCE, Extension, items, only, read_oid
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME
from issuer.x509.usages import KEY_USAGE_BITS, read_usages, usage_name

BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
MICROSOFT_EXTENSIONS: Final = "1.3.6.1.4.1.311.2.1.14"
"""Microsoft's attribute for requested extensions; some CAs honour it beside the standard one."""

_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_MAX_REPORTED: Final = 10


def extension_violations(facts: Facts) -> Iterator[Violation]:
    """What the CSR's extensions ask for beyond the request's spec, or what no policy can allow."""
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


def _basic_constraints(extension: Extension, facts: Facts) -> Iterator[Violation]:
    path = "spec.allowed.isCA"
    try:
        is_ca = _read_basic_constraints(extension.value)
    except ValueError as error:
        yield Violation(path, f"the CSR's basicConstraints can't be decoded: {error}")
        return
    if is_ca and not facts.is_ca:
        yield Violation(path, "the CSR asks for CA:TRUE, and the request has no spec.isCA")


def _key_usage(extension: Extension, facts: Facts) -> Iterator[Violation]:
    path = "spec.allowed.usages"
    try:
        found = _read_key_usage(extension.value)
    except ValueError as error:
        yield Violation(path, f"the CSR's keyUsage can't be decoded: {error}")
        return
    beyond = found - read_usages(facts.usages, is_ca=facts.is_ca).key
    if beyond:
        yield Violation(
            path, f"the CSR asks for {shown_list(sorted(beyond))}, which spec.usages doesn't list"
        )


def _extended_key_usage(extension: Extension, facts: Facts) -> Iterator[Violation]:
    path = "spec.allowed.usages"
    try:
        found = {_oid(item.tag, item.content) for item in items(only(extension.value, SEQUENCE).content)}
    except ValueError as error:
        yield Violation(path, f"the CSR's extendedKeyUsage can't be decoded: {error}")
        return
    beyond = found - read_usages(facts.usages, is_ca=facts.is_ca).extended
    if beyond:
        named = sorted(usage_name(oid) for oid in beyond)
        yield Violation(path, f"the CSR asks for {shown_list(named)}, which spec.usages doesn't list")


def _subject_key_identifier(extension: Extension, facts: Facts) -> Iterator[Violation]:
    # By the key's own hash it says nothing new; any other could pose as another key's.
    digest = subject_key_identifier(facts.csr.public_key)
    if extension.value != bytes([OCTET_STRING, len(digest)]) + digest:
        yield Violation(
            f"spec.allowed.extensions[{SUBJECT_KEY_IDENTIFIER}]",
            "the CSR asks for a key identifier that is not its key's SHA-1 hash; make the CSR without it",
        )


def _read_basic_constraints(value: bytes) -> bool:
    parts = list(items(only(value, SEQUENCE).content))
    is_ca = bool(parts) and parts[0].tag == BOOLEAN
    if is_ca and parts[0].content != b"\xff":
        raise ValueError("cA is not in DER's form")
    rest = parts[1:] if is_ca else parts
    if rest and not (is_ca and len(rest) == 1 and rest[0].tag == _INTEGER and rest[0].content):
        raise ValueError("there is more in it than cA and a path length")
    return is_ca


def _read_key_usage(value: bytes) -> frozenset[str]:
    content = only(value, _BIT_STRING).content
    if not content or content[0] > 7 or len(content) > 3 or (len(content) == 1 and content[0]):
        raise ValueError("it is not a string of at most nine bits")
    bits = [
        index for index in range(8 * (len(content) - 1)) if content[1 + index // 8] >> (7 - index % 8) & 1
    ]
    if any(index >= len(KEY_USAGE_BITS) for index in bits):
        raise ValueError("it has bits that stand for nothing")
    return frozenset(KEY_USAGE_BITS[index] for index in bits)


def _oid(tag: int, content: bytes) -> str:
    if tag != OID:
        raise ValueError("one of its entries is not an object identifier")
    return read_oid(content)


_KNOWN: Final[dict[str, Callable[[Extension, Facts], Iterator[Violation]]]] = {
    BASIC_CONSTRAINTS: _basic_constraints,
    KEY_USAGE: _key_usage,
    EXTENDED_KEY_USAGE: _extended_key_usage,
    SUBJECT_KEY_IDENTIFIER: _subject_key_identifier,
}
