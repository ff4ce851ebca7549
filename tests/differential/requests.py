"""Strategies: requests, and the same request with a change or two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.differential.cases import SHARED_NAMESPACES, USERS, Request
from tests.differential.csrs import ATTRIBUTES, KEYS, USAGES, Plan

Draw = Callable[[st.SearchStrategy[Any]], Any]

NAMES = {
    "dns": ("a.lab.example.test", "b.lab.example.test", "*.lab.example.test", "lab", "a.b", "xn--bcher.test"),
    "ips": ("10.0.0.1", "10.0.0.12", "192.0.2.7", "2001:db8::1", "2001:db8:0:1::", "::1"),
    "uris": ("spiffe://lab/ns/team-a/sa/app", "https://a.lab.example.test/x?y=1", "urn:x:1-2", "ldap://h/c=x"),
    "emails": ("ann@example.test", "ben@lab.example.test", "a+b@example.test"),
}  # fmt: skip
SAN_FIELDS = {"dns": "dnsNames", "ips": "ipAddresses", "uris": "uris", "emails": "emailAddresses"}
TEXTS = ("Lab", "Lab Two", "lab", "a.lab.example.test", "Zürich 日本", "a*b", "x", "42", "Straße 1")
# These two are PrintableStrings.
_POOLS = {"countries": ("DE", "CH", "US"), "serialNumber": ("Lab", "42", "SN 1", "x")}
SINGLE = ("commonName", "serialNumber")
UPN = "1.3.6.1.4.1.311.20.2.3"
OTHER_NAMES = (
    (UPN, "ann@corp.test"),
    (UPN, "ben@corp.test"),
    (UPN, "hex:160161"),
    ("1.2.3.4.5", "hex:02012a"),
    ("1.2.3.4.5", "blob"),
)
OTHER_ATTRIBUTES = (
    ("1.2.840.113549.1.9.1", "ann@example.test"),
    ("0.9.2342.19200300.100.1.25", "example"),
    ("0.9.2342.19200300.100.1.25", "test"),
    ("0.9.2342.19200300.100.1.1", "app-1"),
    ("2.5.4.12", "Dr."),
)
DURATIONS = (None, "1h", "90m", "24h0m0s", "720h", "1h0m0.5s", "2160h", "1h0m0.000001s", "1.5h")


def pick(values: Any) -> st.SearchStrategy[Any]:
    """One of the values; strategies of fixed values are made once, which is most of the time they cost."""
    return _pick(values) if isinstance(values, tuple) and _fixed(values) else st.sampled_from(values)


def _fixed(values: tuple[Any, ...]) -> bool:
    return all(one is None or isinstance(one, str | int | tuple) for one in values)


@cache
def _pick(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@cache
def chance(percent: int) -> st.SearchStrategy[bool]:
    return st.integers(1, 100).map(lambda drawn: drawn <= percent)


@cache
def some(values: tuple[Any, ...], limit: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    """Often nothing, else a few different ones in the order of the pool."""
    several = st.lists(pick(values), min_size=1, max_size=limit, unique=True).map(tuple)
    return st.one_of(st.just(()), several)


@st.composite
def requests(draw: Draw) -> Request:
    plan = Plan(
        key=draw(pick((*KEYS, "ecdsa256", "ecdsa256"))),
        subject=tuple(draw(_subject())),
        dns=draw(some(NAMES["dns"], 3)),
        ips=draw(some(NAMES["ips"])),
        uris=draw(some(NAMES["uris"])),
        emails=draw(some(NAMES["emails"])),
        other_names=draw(some(OTHER_NAMES)) if draw(chance(30)) else (),
        extensions=draw(st.booleans()),
    )
    return Request(
        plan,
        namespace=draw(pick(sorted(SHARED_NAMESPACES))),
        user=draw(pick((*["ann"] * 6, *USERS))),
        reference=draw(_reference()),
        duration=draw(pick(DURATIONS)),
        usages=draw(some(USAGES, 4)),
        is_ca=draw(chance(20)),
    )


@st.composite
def _subject(draw: Draw) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field in ATTRIBUTES:
        if draw(chance(70 if field == "commonName" else 25)):
            most = 2 if field not in SINGLE or draw(chance(15)) else 1
            pool = _POOLS.get(field, TEXTS)
            values = draw(st.lists(pick(pool), min_size=1, max_size=most))
            found += [(field, value) for value in values]
    if draw(chance(25)):
        found += draw(some(OTHER_ATTRIBUTES, 3))
    return list(draw(st.permutations(found))) if draw(chance(20)) else found


def _reference() -> st.SearchStrategy[dict[str, str]]:
    kinds = pick(
        (
            {"group": "vault-issuer.io", "kind": "VaultIssuer"},
            {"group": "vault-issuer.io", "kind": "VaultClusterIssuer"},
            {"group": "vault-issuer.io", "kind": "VaultClusterIssuer"},
            {"group": "cert-manager.io", "kind": "ClusterIssuer"},
            {"kind": "ClusterIssuer"},
            {},
        )
    )
    return kinds.map(lambda kind: {**kind, "name": "gNNNN-demo"})


@st.composite
def changed(draw: Draw, base: Request, namespaces: list[str]) -> Request:
    """The request with up to two changes."""
    request = base
    for _ in range(draw(pick((0, 1, 1, 1, 2)))):
        request = draw(
            _CHANGES[draw(pick((*sorted(_CHANGES), "another", "another", "second", "second")))](request)
        )
    if draw(chance(20)):
        request = replace(request, namespace=draw(pick(namespaces)))
    if draw(chance(22)):
        request = replace(request, user=draw(pick(sorted(USERS))))
    if draw(chance(15)):
        request = replace(request, reference=draw(_other_reference(request)))
    return request


def _other_reference(request: Request) -> st.SearchStrategy[dict[str, str]]:
    names = ("gNNNN-demo", "gNNNN-demo-2", "gNNNN-dem", "x-gNNNN-demo", "gNNNN-prod", "gNNNN.demo")
    renamed = pick(names).map(lambda name: {**request.reference, "name": name})
    return st.one_of(renamed, _reference())


def _with(**strategies: st.SearchStrategy[Any]) -> Callable[[Request], st.SearchStrategy[Request]]:
    return lambda request: st.fixed_dictionaries(strategies).map(lambda drawn: replace(request, **drawn))


def _plan_with(**strategies: st.SearchStrategy[Any]) -> Callable[[Request], st.SearchStrategy[Request]]:
    def change(request: Request) -> st.SearchStrategy[Request]:
        drawn = st.fixed_dictionaries(strategies)
        return drawn.map(lambda values: replace(request, plan=replace(request.plan, **values)))

    return change


def _more_subject(request: Request) -> st.SearchStrategy[Request]:
    named = pick(sorted(ATTRIBUTES)).flatmap(
        lambda field: st.tuples(st.just(field), pick(_POOLS.get(field, TEXTS)))
    )
    more = st.one_of(named, pick(OTHER_ATTRIBUTES))
    return more.map(
        lambda one: replace(request, plan=replace(request.plan, subject=(*request.plan.subject, one)))
    )


def _less_subject(request: Request) -> st.SearchStrategy[Request]:
    return _subject_at(request, st.just(()))


def _other_subject(request: Request) -> st.SearchStrategy[Request]:
    return _subject_at(request, st.tuples(pick(("Lab", "42", "x", "DE"))))


def _subject_at(request: Request, values: st.SearchStrategy[tuple[str, ...]]) -> st.SearchStrategy[Request]:
    """One attribute of the subject gone, or with another value."""
    subject = request.plan.subject
    if not subject:
        return st.just(request)

    def put(drawn: tuple[int, tuple[str, ...]]) -> Request:
        at, texts = drawn
        field = subject[at][0]
        new = tuple((field, text) for text in texts if field != "countries" or len(text) == 2)
        return replace(request, plan=replace(request.plan, subject=subject[:at] + new + subject[at + 1 :]))

    return st.tuples(st.integers(0, len(subject) - 1), values).map(put)


def _second(request: Request) -> st.SearchStrategy[Request]:
    """One more of a field that holds one, before or after the one that may be allowed."""
    more = st.tuples(pick(("commonName", "commonName", "serialNumber")), pick(("second", "42")))

    def put(drawn: tuple[tuple[str, str], bool]) -> Request:
        one, first = drawn
        subject = (one, *request.plan.subject) if first else (*request.plan.subject, one)
        return replace(request, plan=replace(request.plan, subject=subject))

    return st.tuples(more, st.booleans()).map(put)


def _another(request: Request) -> st.SearchStrategy[Request]:
    """One more alternative name of a kind, before or after those that may be allowed."""

    def put(drawn: tuple[str, int, bool]) -> Request:
        kind, index, first = drawn
        name = (NAMES[kind][index],)
        names = getattr(request.plan, kind)
        return replace(request, plan=replace(request.plan, **{kind: name + names if first else names + name}))

    return st.tuples(pick(("dns", "dns", *sorted(NAMES))), st.integers(0, 2), st.booleans()).map(put)


_CHANGES: dict[str, Callable[[Request], st.SearchStrategy[Request]]] = {
    "another": _another,
    "second": _second,
    "dns": _plan_with(dns=some(NAMES["dns"], 3)),
    "ips": _plan_with(ips=some(NAMES["ips"])),
    "uris": _plan_with(uris=some(NAMES["uris"])),
    "emails": _plan_with(emails=some(NAMES["emails"])),
    "other_names": _plan_with(other_names=some(OTHER_NAMES)),
    "never": _plan_with(never=pick((("directoryName",), ("registeredID",)))),
    "key": _plan_with(key=pick(KEYS)),
    "subject_more": _more_subject,
    "subject_less": _less_subject,
    "subject_other": _other_subject,
    "duration": _with(duration=pick(DURATIONS)),
    "usages": _with(usages=some(USAGES, 4)),
    "is_ca": _with(is_ca=st.booleans()),
}
