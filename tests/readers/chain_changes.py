"""Changes of a plan: what may be odd or wrong in a chain, each with the words that it is told by."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from random import Random
from typing import Final

from cryptography import x509

from tests.readers.chain_plans import ANY, CLIENT, HOST, SERVER, Made, Plan, Planned, make, name, plain

DEEPEST: Final = 3
"""Most CAs between root and leaf; a change has a case at each depth and level."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is odd in a chain; `apply` changes a plan at a level, for which `fits` is True."""

    words: str
    apply: Callable[[Plan, int], None]
    fits: Callable[[int, int], bool]


@dataclass(frozen=True)
class Case:
    """A chain with its changes: `changes` are their words, `where` says at which depth and levels."""

    changes: tuple[str, ...]
    where: str
    plan: Plan

    @cached_property
    def made(self) -> Made:
        """Its certificates, signed when they are asked for."""
        return make(self.plan)

    def __str__(self) -> str:
        return f"{' + '.join(self.changes) or 'plain'} ({self.where})"


def cases(seed: int, pairs: int) -> Iterator[Case]:
    """Each change alone at each depth and level, and `pairs` chains with two or three changes."""
    for cas in range(DEEPEST + 1):
        yield Case((), f"{cas} CAs", plain(cas))
        for change, level in product(CHANGES, range(cas + 2)):
            if change.fits(level, cas):
                yield _case(cas, [(change, level)])
    random = Random(seed)
    for _ in range(pairs):
        cas = random.randint(1, DEEPEST)
        chosen = []
        for change in random.sample(CHANGES, random.choice((2, 2, 3))):
            levels = [level for level in range(cas + 2) if change.fits(level, cas)]
            chosen += [(change, random.choice(levels))] if levels else []
        yield _case(cas, chosen)


def _case(cas: int, chosen: list[tuple[Change, int]]) -> Case:
    plan = plain(cas)
    for change, level in chosen:
        change.apply(plan, level)
    where = f"{cas} CAs, level {', '.join(str(level) for _, level in chosen)}"
    return Case(tuple(change.words for change, _ in chosen), where, plan)


def _root(level: int, cas: int) -> bool:
    return level == 0


def _between(level: int, cas: int) -> bool:
    return 0 < level <= cas


def _leaf(level: int, cas: int) -> bool:
    return level == cas + 1


def _authority(level: int, cas: int) -> bool:
    return level <= cas


def _shallow(level: int, cas: int) -> bool:
    """A CA of a short chain: there are many name constraints."""
    return level <= cas <= 1


def _anywhere(level: int, cas: int) -> bool:
    return True


def _once(level: int, cas: int) -> bool:
    return level == 1


def _set(words: str, fits: Callable[[int, int], bool], **changes: object) -> Change:
    """A change of fields of one certificate."""
    return Change(words, lambda plan, level: plan.change(level, **changes), fits)


def _sending(words: str, **changes: object) -> Change:
    def apply(plan: Plan, level: int) -> None:
        for field, value in changes.items():
            setattr(plan, field, value)

    return Change(words, apply, _once)


def _path(room: int) -> Callable[[Plan, int], None]:
    def apply(plan: Plan, level: int) -> None:
        below = len(plan.chain) - 2 - level
        plan.change(level, path_length=max(below + room, 0))

    return apply


def _path_too_short(level: int, cas: int) -> bool:
    return level < cas


def _strangers(plan: Plan, level: int) -> None:
    for text in ("Stranger", "Other"):
        plan.beside.insert(0, Planned(name(text), name(text), text, text, (-30, 300), is_ca=True))


def _namesake(plan: Plan, level: int) -> None:
    """A CA of the same name with another key, ahead of the right one."""
    plan.beside.insert(0, replace(plan.chain[level], key="namesake"))
    plan.reverse = True


def _forged(plan: Plan, level: int) -> None:
    """Another key of the same name signed it, which says so in its identifier."""
    plan.change(level, signer="forger")


def _forged_silently(plan: Plan, level: int) -> None:
    one = plan.chain[level]
    plan.change(level, signer="forger", key_ids=(one.key, one.signer))


def _swapped_ids(plan: Plan, level: int) -> None:
    plan.change(level, key_ids=(plan.chain[level].key, "somebody"))


def _no_ids(plan: Plan, level: int) -> None:
    plan.change(level, key_ids=("", ""))


def _not_trusted(plan: Plan, level: int) -> None:
    text = "Elsewhere"
    plan.trusted = [Planned(name(text), name(text), text, text, (-30, 300), is_ca=True)]
    plan.is_root_sent = True


def _trusted_namesake(plan: Plan, level: int) -> None:
    """What is trusted has the root's name and another key."""
    root = plan.chain[0]
    plan.trusted = [replace(root, key="namesake", signer="namesake")]


def _trusted_between(plan: Plan, level: int) -> None:
    """A CA between is what is trusted, and the root isn't."""
    plan.trusted = [plan.chain[level]]


def _crossed(make_other: Callable[[Planned], Planned], *, first: bool) -> Callable[[Plan, int], None]:
    """The CA at a level has a second certificate of the same key, sent before or behind the good one."""

    def apply(plan: Plan, level: int) -> None:
        other = make_other(plan.chain[level])
        plan.beside.append(other)
        plan.reverse = first

    return apply


def _by_another_root(one: Planned) -> Planned:
    return replace(one, issuer=name("Elsewhere"), signer="Elsewhere")


def _ended(one: Planned) -> Planned:
    return replace(one, life=(-60, -2))


def _narrow(one: Planned) -> Planned:
    return replace(one, permitted=(x509.DNSName("elsewhere.test"),))


def _no_authority(one: Planned) -> Planned:
    return replace(one, is_ca=False)


def _each_other(plan: Plan, level: int) -> None:
    """Two CAs signed each other: the one at this level and another, beside the way up."""
    one = plan.chain[level]
    other = replace(one, subject=name("Loop"), key="Loop", issuer=one.subject, signer=one.key)
    back = replace(one, issuer=name("Loop"), signer="Loop")
    plan.beside += [other, back]
    plan.reverse = True


def _self_issued(plan: Plan, level: int) -> None:
    """The CA at a level got a new key, which the old one signed; the path length has room for one."""
    old = plan.chain[level]
    new = replace(old, issuer=old.subject, signer=old.key, key=f"{old.key} new", path_length=None)
    below = len(plan.chain) - 2 - level
    plan.change(level, path_length=below)
    plan.chain.insert(level + 1, new)
    under = plan.chain[level + 2]
    plan.change(level + 2, signer=new.key) if under.signer == old.key else None


def _policies(*, required: bool) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    if required:
        return ((x509.PolicyConstraints(0, None), True),)
    return (
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]), False),
    )


def _unknown(*, critical: bool) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    return ((value, critical),)


def _leaf_constraints(plan: Plan, level: int) -> None:
    plan.change(level, permitted=(x509.DNSName("lab.test"),))


def _other_string(plan: Plan, level: int) -> None:
    """Its issuer's name is the same text in another type of string."""
    text = str(plan.chain[level].issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    plan.change(level, issuer=name(text, printable=True))


def _other_case(plan: Plan, level: int) -> None:
    text = str(plan.chain[level].issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    plan.change(level, issuer=name(text.upper()))


def _no_subject(plan: Plan, level: int) -> None:
    """The CA has no name, and so what it signed has no issuer."""
    plan.change(level, subject=name(""))
    plan.change(level + 1, issuer=name(""))


def _constrained(
    subtree: x509.GeneralName, leaf_name: x509.GeneralName | None, *, permitted: bool
) -> Callable[[Plan, int], None]:
    def apply(plan: Plan, level: int) -> None:
        kind = "permitted" if permitted else "excluded"
        plan.change(level, **{kind: (*getattr(plan.chain[level], kind), subtree)})
        leaf = plan.chain[-1]
        if leaf_name is not None and leaf_name not in leaf.names:
            plan.change(-1, names=(*leaf.names, leaf_name))

    return apply


def _ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))


def _directory(*texts: str) -> x509.DirectoryName:
    return x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one) for one in texts]))


_SUBTREES: Final[tuple[tuple[str, x509.GeneralName, x509.GeneralName | None], ...]] = (
    ("DNS lab.test", x509.DNSName("lab.test"), None),
    ("DNS web.lab.test", x509.DNSName(HOST), None),
    ("DNS .lab.test", x509.DNSName(".lab.test"), None),
    ("DNS other.test", x509.DNSName("other.test"), None),
    ("DNS LAB.test", x509.DNSName("LAB.test"), None),
    ("DNS a.lab.test, of *.lab.test", x509.DNSName("a.lab.test"), x509.DNSName("*.lab.test")),
    ("every DNS name", x509.DNSName(""), None),
    ("192.0.2.0/24, of 192.0.2.1", _ip("192.0.2.0/24"), _ip("192.0.2.1")),
    ("192.0.2.0/24, of 198.51.100.1", _ip("192.0.2.0/24"), _ip("198.51.100.1")),
    ("0.0.0.0/0, of 2001:db8::1", _ip("0.0.0.0/0"), _ip("2001:db8::1")),
    ("2001:db8::/32, of 2001:db8::1", _ip("2001:db8::/32"), _ip("2001:db8::1")),
    ("mail lab.test, of ann@lab.test", x509.RFC822Name("lab.test"), x509.RFC822Name("ann@lab.test")),
    ("mail lab.test, of ann@a.lab.test", x509.RFC822Name("lab.test"), x509.RFC822Name("ann@a.lab.test")),
    ("mail .lab.test, of ann@a.lab.test", x509.RFC822Name(".lab.test"), x509.RFC822Name("ann@a.lab.test")),
    ("mail ann@lab.test, of bob@lab.test", x509.RFC822Name("ann@lab.test"), x509.RFC822Name("bob@lab.test")),
    (
        "URI lab.test, of spiffe://lab.test/web",
        x509.UniformResourceIdentifier("lab.test"),
        x509.UniformResourceIdentifier("spiffe://lab.test/web"),
    ),
    (
        "URI .lab.test, of https://a.lab.test/",
        x509.UniformResourceIdentifier(".lab.test"),
        x509.UniformResourceIdentifier("https://a.lab.test/"),
    ),
    (
        "URI other.test, of spiffe://lab.test/web",
        x509.UniformResourceIdentifier("other.test"),
        x509.UniformResourceIdentifier("spiffe://lab.test/web"),
    ),
    ("directory CN=leaf", _directory("leaf"), None),
    ("directory CN=LEAF", _directory("LEAF"), None),
    ("directory CN=other", _directory("other"), None),
)


def _name_constraints() -> Iterator[Change]:
    for (text, subtree, leaf_name), permitted in product(_SUBTREES, (True, False)):
        words = f"{'permitted' if permitted else 'excluded'} {text}"
        yield Change(words, _constrained(subtree, leaf_name, permitted=permitted), _shallow)


CHANGES: Final[tuple[Change, ...]] = (
    _sending("sent from the root down", reverse=False),
    _sending("sent from the leaf up", reverse=True),
    _sending("sent three times", repeat=3),
    _sending("the root is sent, too", is_root_sent=True),
    Change("strangers are sent, too", _strangers, _once),
    Change("a CA is not sent", lambda plan, level: setattr(plan, "left_out", level), _between),
    Change("a namesake of a CA with another key is sent first", _namesake, _between),
    Change("another key signed it", _forged, lambda level, cas: level > 0),
    Change(
        "another key signed it, by the signer's identifier", _forged_silently, lambda level, cas: level > 0
    ),
    Change("names another key as its signer's", _swapped_ids, lambda level, cas: level > 0),
    Change("without key identifiers", _no_ids, _anywhere),
    Change("the root is not trusted", _not_trusted, _once),
    Change("a namesake of the root is trusted", _trusted_namesake, _once),
    Change("a CA below the root is trusted alone", _trusted_between, _between),
    _set("has ended", _anywhere, life=(-60, -2)),
    _set("has not begun", _anywhere, life=(2, 300)),
    _set("is no CA", _authority, is_ca=False),
    _set("without basicConstraints", _anywhere, is_ca=None),
    _set("basicConstraints not critical", _authority, is_critical=False),
    _set("the leaf is a CA", _leaf, is_ca=True, may_sign=True),
    _set("may not sign certificates", _authority, may_sign=False),
    _set("without keyUsage", _anywhere, may_sign=None),
    Change("path length with just room enough", _path(0), _authority),
    Change("path length one too short", _path(-1), _path_too_short),
    Change("a self-issued CA that path lengths don't count", _self_issued, _authority),
    _set("the leaf is for servers alone", _leaf, usages=(SERVER,)),
    _set("the leaf is for clients alone", _leaf, usages=(CLIENT,)),
    _set("the leaf is for any use", _leaf, usages=(ANY,)),
    _set("the leaf names no use", _leaf, usages=None),
    _set("a CA for servers alone", _between, usages=(SERVER,)),
    _set("a CA for clients alone", _between, usages=(CLIENT,)),
    _set("a CA for any use", _between, usages=(ANY,)),
    _set("a root for servers alone", _root, usages=(SERVER,)),
    _set("a root for clients alone", _root, usages=(CLIENT,)),
    *(
        Change(
            f"cross-signed: {text} is sent {'first' if first else 'last'}",
            _crossed(other, first=first),
            _between,
        )
        for (text, other), first in product(
            (
                ("one by a root nobody trusts", _by_another_root),
                ("one that has ended", _ended),
                ("one for other names", _narrow),
                ("one that is no CA", _no_authority),
            ),
            (True, False),
        )
    ),
    Change("CAs that signed each other", _each_other, _between),
    _set("an unknown extension", _anywhere, extra=_unknown(critical=False)),
    _set("an unknown critical extension", _anywhere, extra=_unknown(critical=True)),
    _set("a policy", _anywhere, extra=_policies(required=False)),
    _set("a policy is required below, and none is there", _authority, extra=_policies(required=True)),
    Change("name constraints in the leaf", _leaf_constraints, _leaf),
    Change("its issuer's name in another string type", _other_string, lambda level, cas: level > 0),
    Change("its issuer's name in capitals", _other_case, lambda level, cas: level > 0),
    Change("a CA without a name", _no_subject, _between),
    _set("a leaf without a subject", _leaf, subject=name("")),
    *_name_constraints(),
)
