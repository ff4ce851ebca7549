"""Certificates of a chain as a plan that can be changed before they are made.

A plan is a root, CAs below it and a leaf, and who is trusted and what is sent. Keys come from the names in
the plan, so the same plan makes the same certificates but for their signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW: Final = datetime(2026, 11, 27, tzinfo=UTC)
HOST: Final = "web.lab.test"
"""The name that a client asks for; each leaf has it unless a change takes it away."""
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY: Final = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Planned:
    """A certificate to be made.

    `key` and `signer` name keys. `life` is the days from now of notBefore and notAfter. None in `is_ca`,
    `may_sign`, `key_ids` or `usages` leaves the extension out; `key_ids` are the keys that the identifiers
    of the subject's and the signer's key are made of.
    """

    subject: x509.Name
    issuer: x509.Name
    key: str
    signer: str
    life: tuple[int, int]
    is_ca: bool | None
    path_length: int | None = None
    is_critical: bool = True
    may_sign: bool | None = True
    usages: Sequence[x509.ObjectIdentifier] | None = None
    names: Sequence[x509.GeneralName] = ()
    permitted: Sequence[x509.GeneralName] = ()
    excluded: Sequence[x509.GeneralName] = ()
    extra: Sequence[tuple[x509.ExtensionType, bool]] = ()
    key_ids: tuple[str, str] | None = None


@dataclass(slots=True)
class Plan:
    """A chain to be made, `chain` from the root down; more is sent beside it as `beside`.

    `trusted` are what a client trusts in place of the chain's root; `sent` sorts and repeats what is sent.
    """

    chain: list[Planned]
    beside: list[Planned] = field(default_factory=list)
    trusted: list[Planned] | None = None
    is_root_sent: bool = False
    reverse: bool = False
    repeat: int = 1
    left_out: int | None = None

    def change(self, level: int, **changes: object) -> None:
        """Change the certificate at a level, 0 being the root and -1 the leaf."""
        self.chain[level] = replace(self.chain[level], **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Made:
    """The certificates of a case: what a client trusts, what a server sends beside its leaf, and the leaf."""

    trusted: tuple[x509.Certificate, ...]
    sent: tuple[x509.Certificate, ...]
    leaf: x509.Certificate


def name(text: str, *, printable: bool = False) -> x509.Name:
    """A Name of one common name; none of no text."""
    kind = x509.name._ASN1Type.PrintableString if printable else None  # no other way
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind)] if text else [])


def plain(cas: int) -> Plan:
    """A plan with so many CAs between root and leaf, in which nothing is wrong."""
    texts = ["Root", *(f"CA {number}" for number in range(1, cas + 1)), "leaf"]
    chain = []
    for level, text in enumerate(texts):
        above = texts[max(level - 1, 0)]
        one = Planned(name(text), name(above), text, above, (-30, 300), is_ca=True)
        chain.append(one)
    leaf = replace(
        chain[-1],
        is_ca=False,
        may_sign=False,
        usages=(SERVER, CLIENT),
        names=(x509.DNSName(HOST),),
        life=(-1, 30),
    )
    return Plan([*chain[:-1], leaf])


def make(plan: Plan) -> Made:
    """Sign what a plan has."""
    chain = [_certificate(one) for one in plan.chain]
    sent = [one for level, one in enumerate(chain[:-1]) if level != plan.left_out]
    sent = sent if plan.is_root_sent else [one for one in sent if one is not chain[0]]
    sent += [_certificate(one) for one in plan.beside]
    sent = [*(reversed(sent) if plan.reverse else sent)] * plan.repeat
    trusted = chain[:1] if plan.trusted is None else [_certificate(one) for one in plan.trusted]
    return Made(tuple(trusted), tuple(sent), chain[-1])


@cache
def key(text: str) -> ec.EllipticCurvePrivateKey:
    """The key of that name."""
    number = int.from_bytes(sha256(text.encode()).digest(), "big") % (_ORDER - 1) + 1
    return ec.derive_private_key(number, ec.SECP256R1())


def _certificate(one: Planned) -> x509.Certificate:
    begin, end = (NOW + timedelta(days=days) for days in one.life)
    builder = (
        x509.CertificateBuilder()
        .subject_name(one.subject)
        .issuer_name(one.issuer)
        .public_key(key(one.key).public_key())
        .serial_number(int.from_bytes(sha256(repr(one).encode()).digest()[:8], "big") | 1)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for value, critical in _extensions(one):
        builder = builder.add_extension(value, critical)
    return builder.sign(key(one.signer), hashes.SHA256())


def _extensions(one: Planned) -> Iterator[tuple[x509.ExtensionType, bool]]:
    if one.is_ca is not None:
        yield x509.BasicConstraints(one.is_ca, one.path_length), one.is_critical
    if one.may_sign is not None:
        signs = one.may_sign
        yield x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False), True
    if one.usages is not None:
        yield x509.ExtendedKeyUsage(one.usages), False
    if one.names:
        yield x509.SubjectAlternativeName(one.names), not list(one.subject)
    if one.permitted or one.excluded:
        yield x509.NameConstraints(one.permitted or None, one.excluded or None), True
    own, above = one.key_ids or (one.key, one.signer)
    if own:
        yield x509.SubjectKeyIdentifier.from_public_key(key(own).public_key()), False
    if above:
        yield x509.AuthorityKeyIdentifier.from_issuer_public_key(key(above).public_key()), False
    yield from one.extra
