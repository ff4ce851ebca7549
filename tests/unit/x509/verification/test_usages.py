"""Usages that a CA's certificate has, held against the request, the approving policy and the CAs above."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.x509.usages import read_usages, usage_name
from tests.examples import examples
from tests.unit.x509.signed_case import Case

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY = "2.5.29.37.0"
KEY_NAMES = ("digital signature", "key encipherment")
KEYS = frozenset(KEY_NAMES)


@pytest.mark.parametrize("at_root", [True, False])
def test_a_use_that_a_ca_is_not_for_is_fatal_where_nothing_else_is_left(case: Case, at_root: bool) -> None:
    make, asked = case.make, KEYS | {"server auth", "client auth"}
    limited = make.CA.but(extended=[CLIENT_AUTH])
    root = make.root(template=limited) if at_root else case.root
    inter = root.authority("Int", template=None if at_root else limited)
    bound = Case(make, inter, root)
    server, leaf = make.Template(extended=[SERVER_AUTH]), make.Template(extended=[SERVER_AUTH, CLIENT_AUTH])
    found = bound.check(server, usages=KEYS | {"server auth"})
    assert set(found) == {"UsageBarredByCA"}
    assert found["UsageBarredByCA"].fatal
    assert "without server auth" in found["UsageBarredByCA"].message
    # Half of what was asked for is left: as for a usage that a role drops.
    assert not bound.check(leaf, usages=asked)["UsageBarredByCA"].fatal
    assert bound.check(leaf, usages=asked, strict=True)["UsageBarredByCA"].fatal
    assert "UsageBarredByCA" not in bound.check(leaf, usages=KEYS | {"client auth"})
    assert bound.check() == {}, "a certificate without extended usages is for whatever its CAs are for"


def test_a_ca_for_any_use_is_for_each(case: Case) -> None:
    limited = case.make.CA.but(extended=[CLIENT_AUTH, ANY])
    anything = Case(case.make, case.root.authority("Any", template=limited), case.root)
    assert anything.check(case.make.Template(extended=[SERVER_AUTH]), usages=KEYS | {"server auth"}) == {}


EXTENDED = {
    "server auth": SERVER_AUTH,
    "client auth": CLIENT_AUTH,
    "any": ANY,
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "1.3.6.1.5.5.7.3.17": "1.3.6.1.5.5.7.3.17",  # a usage that cert-manager has no name for
}
ONLY_ASKED = ["any", "code signing", "ocsp signing", "timestamping"]


def with_usages(
    case: Case, given: list[str], asked: list[str], allowed: list[str] | None, *, strict: bool = False
) -> Any:
    """Return the findings of a certificate with these extended usages."""
    template = case.make.Template(extended=[EXTENDED[name] for name in given])
    names = None if allowed is None else frozenset((*KEY_NAMES, *allowed))
    return case.check(template, usages=frozenset((*KEY_NAMES, *asked)), allowed=names, strict=strict)


def test_other_usages_are_told(case: Case) -> None:
    asked = ["server auth", "code signing"]
    found = with_usages(case, ["server auth", "client auth"], asked, [*asked, "client auth"])
    assert found["UsageDropped"].message == "usages are missing: code signing"
    assert found["UsageAdded"].message == "usages were added: client auth"
    assert not found["UsageAdded"].fatal
    assert "takes it to be good for all" in with_usages(case, [], asked, asked)["UsageDropped"].message
    exact = with_usages(case, ["server auth", "client auth"], ["server auth", "client auth"], [])
    assert exact == {}
    assert with_usages(case, ["client auth"], [], ["client auth"], strict=True)["UsageAdded"].fatal


@pytest.mark.parametrize("usage", ONLY_ASKED)
@pytest.mark.parametrize("strict", [False, True])
def test_the_rights_of_others_than_endpoints_must_be_asked_for(case: Case, usage: str, strict: bool) -> None:
    for allowed in (None, [], [usage], list(EXTENDED)):
        finding = with_usages(case, ["server auth", usage], ["server auth"], allowed, strict=strict)[
            "UsageNotAsked"
        ]
        assert finding.fatal
        assert usage in finding.message
    assert with_usages(case, [usage], [usage], [usage], strict=strict) == {}


@pytest.mark.parametrize(
    ("given", "asked", "allowed", "fatal"),
    [
        # A policy that names extended usages is the measure.
        (["server auth", "client auth"], ["server auth"], ["server auth"], True),
        (["client auth"], [], ["server auth"], True),
        (["email protection"], [], ["server auth"], True),
        (["1.3.6.1.5.5.7.3.17"], [], ["server auth", "client auth"], True),
        (["client auth"], ["server auth"], ["server auth", "client auth"], False),
        # One that names none leaves those of TLS to the role, and nothing else.
        (["server auth", "client auth"], [], [], False),
        (["email protection"], [], [], True),
        (["1.3.6.1.5.5.7.3.17"], [], [], True),
        # Where no policy approved, the request is the measure.
        (["server auth", "client auth"], [], None, False),
        (["server auth", "client auth"], ["client auth"], None, True),
        (["email protection"], [], None, True),
    ],
)
def test_extended_usages_beyond_the_policy_are_fatal(
    case: Case, given: list[str], asked: list[str], allowed: list[str] | None, fatal: bool
) -> None:
    found = with_usages(case, given, asked, allowed)
    if fatal:
        assert found["UsageBeyondPolicy"].fatal
    else:
        assert "UsageBeyondPolicy" not in found
        assert not found["UsageAdded"].fatal


def test_only_a_usage_beyond_those_that_the_policy_names_is_news(case: Case) -> None:
    """What Vault's roles add by default, server and client auth and key agreement, is no news."""
    assert with_usages(case, ["client auth"], [], ["client auth"])["UsageAdded"].expected
    assert with_usages(case, ["server auth", "client auth"], [], [])["UsageAdded"].expected
    assert with_usages(case, ["server auth", "client auth"], [], None)["UsageAdded"].expected
    template = case.make.Template(usages=["digital_signature", "key_encipherment", "key_agreement"])
    for allowed, expected in (
        (KEY_NAMES, False),
        ((*KEY_NAMES, "key agreement"), True),
        (("server auth",), True),
        ((), True),
        (None, True),
    ):
        names = None if allowed is None else frozenset(allowed)
        finding = case.check(template, usages=frozenset(KEY_NAMES), allowed=names)["UsageAdded"]
        assert (finding.expected, finding.fatal) == (expected, False)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    given=st.lists(st.sampled_from(list(EXTENDED)), unique=True, max_size=4),
    asked=st.lists(st.sampled_from(list(EXTENDED)[:-1]), unique=True, max_size=3),
    allowed=st.none() | st.lists(st.sampled_from(list(EXTENDED)[:-1]), unique=True, max_size=4),
)
def test_what_passes_was_asked_for_allowed_or_is_for_tls_where_nothing_is_said(
    case: Case, given: list[str], asked: list[str], allowed: list[str] | None
) -> None:
    found = with_usages(case, given, asked, allowed)
    measure = set(asked if allowed is None else allowed)
    fine = {
        name
        for name in given
        if name in asked or (name not in ONLY_ASKED and name in (measure or {"server auth", "client auth"}))
    }
    assert any(one.fatal for one in found.values()) == (fine != set(given))


def test_usage_names_are_cert_managers() -> None:
    assert read_usages([]) == read_usages(["digital signature", "key encipherment"])
    assert read_usages(["signing"]) == read_usages(["digital signature"])
    assert read_usages(["s/mime"]) == read_usages(["email protection"])
    assert read_usages(["server auth"], is_ca=True).key == {"cert sign"}
    assert read_usages(["no such"]).unknown == {"no such"}
    assert usage_name("1.3.6.1.5.5.7.3.4") == "email protection"
    assert usage_name("1.2.3") == "1.2.3"
