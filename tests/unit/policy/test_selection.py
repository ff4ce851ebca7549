"""A policy is about the requests that its selectors match."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.policy.compiled import compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selector_mismatch, selects
from tests.unit.policy.forge import csr, facts

DEMO = IssuerReference("demo", "VaultClusterIssuer", "vault-issuer.io")
LABELS = {"team": "a", "tier": "web"}


def away(selector: dict[str, Any], reference: IssuerReference = DEMO, **more: Any) -> tuple[str, str] | None:
    labels = more.get("labels", LABELS)
    found = selector_mismatch(compile_policy("p", {"selector": selector}), reference, "team-a", labels)
    return None if found is None else (found.kind, found.message)


@pytest.mark.parametrize(
    "selector",
    [
        {"issuerRef": {}},
        {"namespace": {}},
        {"issuerRef": {"name": "d*", "kind": "Vault*", "group": "vault-issuer.io"}},
        {"namespace": {"matchNames": ["x", "team-*"]}},
        {"namespace": {"matchNames": [], "matchLabels": {"team": "a"}}},
        {"issuerRef": {"name": "demo"}, "namespace": {"matchLabels": {"team": "a", "tier": "web"}}},
    ],
)
def test_selectors_that_match(selector: dict[str, Any]) -> None:
    assert away(selector) is None


@pytest.mark.parametrize(
    ("selector", "kind", "says"),
    [
        ({"issuerRef": {"name": "other"}}, "selector", "issuerRef.name"),
        ({"issuerRef": {"name": ""}}, "selector", "issuerRef.name"),
        ({"issuerRef": {"kind": "VaultIssuer"}}, "selector", 'the request\'s is "VaultClusterIssuer"'),
        ({"issuerRef": {"group": "cert-manager.io"}}, "selector", "issuerRef.group"),
        ({"namespace": {"matchNames": ["team-b"]}}, "namespace", 'the request\'s namespace is "team-a"'),
        ({"namespace": {"matchLabels": {"team": "b"}}}, "namespace", 'it has "a"'),
        ({"namespace": {"matchLabels": {"none": "b"}}}, "namespace", "it lacks the label"),
        ({"issuerRef": {"name": "x"}, "namespace": {"matchNames": ["x"]}}, "selector", "issuerRef.name"),
    ],
)
def test_selectors_that_do_not_match_say_why(selector: dict[str, Any], kind: str, says: str) -> None:
    found = away(selector)
    assert found is not None
    assert found[0] == kind
    assert says in found[1]


def test_unknown_labels_match_no_selector_by_labels() -> None:
    assert away({"namespace": {"matchLabels": {"team": "a"}}}, labels=None) is not None
    assert away({"namespace": {"matchNames": ["team-a"]}}, labels=None) is None


def test_cert_managers_defaults_stand_for_what_a_reference_leaves_out() -> None:
    bare = IssuerReference("demo", "", "")
    assert away({"issuerRef": {"kind": "Issuer", "group": "cert-manager.io"}}, bare) is None
    assert away({"issuerRef": {"kind": "VaultIssuer"}}, bare) is not None


def test_a_request_is_selected_by_its_reference() -> None:
    policy = compile_policy("p", {"selector": {"issuerRef": {"name": "demo"}}})
    assert selector_mismatch(policy, facts(csr()), "team-a", None) is None


def test_a_policy_selects_an_issuer_whatever_the_namespace() -> None:
    policy = compile_policy(
        "p", {"selector": {"issuerRef": {"name": "demo"}, "namespace": {"matchNames": ["elsewhere"]}}}
    )
    assert selects(policy, DEMO)
    assert not selects(policy, IssuerReference("other", "VaultIssuer", "vault-issuer.io"))
