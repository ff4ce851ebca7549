"""`policy lint`: errors with field paths, warnings, and exit codes for CI."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.manifests.rbac import binding
from issuer.manifests.requester import CERT_MANAGER
from tests.unit.explain.conftest import Build, Folder

GROUP = {"issuerRef": {"group": "vault-issuer.io", "name": "demo"}}
NAMES = {"dnsNames": {"values": ["*.lab.example"]}}
USAGES = {"usages": ["server auth"]}


def test_a_good_policy_with_its_binding_has_no_findings(folder: Folder, policy: Build) -> None:
    limits = {"maxDuration": "2160h"}
    good = policy(selector=GROUP, allowed={**NAMES, **USAGES}, constraints=limits)
    folder.write("p/web.yaml", good)
    folder.write("p/rbac.yaml", *binding("web", "team-a", CERT_MANAGER))
    result = folder.run("lint", str(folder.path / "p"), "--strict")
    assert result.code == 0, result.stdout
    assert result.stdout == "1 policy: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"allowed": {"dnsName": {"values": ["a"]}}}, "spec.allowed.dnsName"),
        ({"constraints": {"minDuration": "2h", "maxDuration": "1h"}}, "spec.constraints.maxDuration"),
        ({"constraints": {"maxDuration": "1 day"}}, "spec.constraints.maxDuration"),
        (
            {"allowed": {"dnsNames": {"validations": [{"rule": "self +"}]}}},
            "spec.allowed.dnsNames.validations[0]",
        ),
        ({"allowed": {"dnsNames": {"required": True}}}, "spec.allowed.dnsNames.values"),
        ({"plugins": {"x": {}}}, "spec.plugins"),
        ({"selector": {}}, "spec.selector"),
        ({"allowed": {"usages": ["flying"]}}, "spec.allowed.usages.0"),
    ],
)
def test_what_makes_a_policy_unusable_is_an_error_with_its_field(
    folder: Folder, policy: Build, spec: dict[str, Any], field: str
) -> None:
    result = folder.run("lint", folder.write("p.yaml", policy(**spec)), "-o", "json")
    assert result.code == 1
    errors = {one["field"] for one in result.json()["findings"] if one["level"] == "error"}
    assert errors == {field}


@pytest.mark.parametrize(
    ("spec", "field", "told"),
    [
        ({"allowed": {"dnsNames": {"values": ["a", "*"]}}}, "spec.allowed", "any value of dnsNames"),
        ({"allowed": {"commonName": {"value": "**"}}}, "spec.allowed", "any value of commonName"),
        ({"allowed": {"isCA": True}}, "spec.allowed.isCA", "CA certificates"),
        ({"allowed": NAMES}, "spec.allowed.usages", "is not set"),
        (
            {"allowed": {"dnsNames": {"values": [], "required": True}}},
            "spec.allowed.dnsNames",
            "never approve",
        ),
        (
            {"allowed": {"subject": {"countries": {"values": [], "required": True}}}},
            "spec.allowed.subject.countries",
            "never approve",
        ),
        (
            {"selector": {"issuerRef": {"group": "cert-manager.io"}}},
            "spec.selector.issuerRef.group",
            "matches no issuer of ours",
        ),
        (
            {"selector": {"issuerRef": {"kind": "ClusterIssuer"}}},
            "spec.selector.issuerRef.kind",
            "matches no issuer of ours",
        ),
        ({"selector": {"issuerRef": {}}}, "spec.selector.issuerRef", "every issuer"),
        ({}, "", "lets anybody use it"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(
    folder: Folder, policy: Build, spec: dict[str, Any], field: str, told: str
) -> None:
    file = folder.write("p.yaml", policy(**spec))
    result = folder.run("lint", file, "-o", "json")
    assert result.code == 0
    findings = [one for one in result.json()["findings"] if one["field"] == field]
    assert [one["level"] for one in findings] == ["warning"]
    assert told in findings[0]["message"]
    assert folder.run("lint", file, "--strict").code == 1


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("ipAddresses", "10.0.0.0/8", "ranges"),
        ("ipAddresses", "2001:0db8::1", "2001:db8::1"),
        ("ipAddresses", "::ffff:10.0.0.1", "10.0.0.1"),
        ("ipAddresses", "::ffff:a00:1", "10.0.0.1"),
        ("ipAddresses", "::ffff:10.0.0.*", "10.1.2.*"),
        ("ipAddresses", "FD00:*", "lower case"),
        ("ipAddresses", "web.lab.example", "no IP address"),
        ("ipAddresses", "10.0.0.300", "no IP address"),
        ("dnsNames", "*.b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "Punycode"),
        ("dnsNames", "https://*.lab.example", "':'"),
        ("dnsNames", "*.lab.example ", "' '"),
        ("dnsNames", "10.1.2.3", "IP address"),
        ("uris", "spiffe://lab.example/*\u00e9", "ASCII"),
        ("emailAddresses", " *@lab.example", "blanks"),
    ],
)
def test_a_pattern_that_nothing_can_match_is_a_warning(
    folder: Folder, policy: Build, field: str, value: str, why: str
) -> None:
    values = ["fine", value] if field == "dnsNames" else [value]
    made = policy(selector=GROUP, allowed={field: {"values": values}, **USAGES})
    found = folder.run("lint", folder.write("p.yaml", made), "-o", "json").json()["findings"]
    where = f"spec.allowed.{field}.values[{len(values) - 1}]"
    told = [one for one in found if one["field"].startswith(f"spec.allowed.{field}.values[")]
    assert [(one["field"], one["level"]) for one in told] == [(where, "warning")]
    assert why in told[0]["message"]


def test_patterns_that_something_can_match_are_no_warning(folder: Folder, policy: Build) -> None:
    patterns = {
        "dnsNames": [
            "*",
            "*.lab.example",
            "web-*.lab.example",
            "_acme-challenge.*",
            "a.example.",
            "xn--bcher-kva.example",
        ],
        "ipAddresses": ["*", "10.1.*", "10.1.2.3", "fd00:*", "2001:db8::1", "*::1"],
        "uris": ["spiffe://lab.example/*", "urn:uuid:*"],
        "emailAddresses": ["*@lab.example"],
    }
    allowed = {field: {"values": values} for field, values in patterns.items()}
    made = policy(selector=GROUP, allowed=allowed | USAGES)
    found = folder.run("lint", folder.write("p.yaml", made), "-o", "json").json()["findings"]
    assert not [one for one in found if ".values[" in one["field"]]


def test_a_policy_that_limits_no_lifetime_is_advised_to_with_the_price(folder: Folder, policy: Build) -> None:
    unlimited = policy(selector=GROUP, allowed={**NAMES, **USAGES})
    files = folder.write("p.yaml", unlimited, *binding("web", "team-a", CERT_MANAGER))
    result = folder.run("lint", files, "--strict")
    assert result.code == 0, "advice is no warning"
    assert "web: advice: spec.constraints.maxDuration: is not set" in result.text
    assert "those without are denied" in result.text
    assert result.text.endswith("1 policy: 0 errors, 0 warnings")


def test_rules_narrow_a_star_so_that_it_is_no_warning(folder: Folder, policy: Build) -> None:
    rules = {"values": ["*"], "validations": [{"rule": "self.endsWith('.test')"}]}
    result = folder.run("lint", folder.write("p.yaml", policy(allowed={"dnsNames": rules})))
    assert "any value" not in result.stdout


def test_a_binding_in_the_old_group_is_seen_as_such(folder: Folder, policy: Build) -> None:
    role, bound = binding("web", "team-a", CERT_MANAGER)
    role["rules"][0]["apiGroups"] = ["policy.cert-manager.io"]
    result = folder.run("lint", folder.write("p.yaml", policy(), role, bound))
    assert "grants use of it in the API group policy.cert-manager.io" in result.stdout


def test_a_role_that_nobody_is_bound_to_lets_nobody_use_it(folder: Folder, policy: Build) -> None:
    role, _ = binding("web", "team-a", CERT_MANAGER)
    assert "lets anybody use it" in folder.run("lint", folder.write("p.yaml", policy(), role)).stdout


def test_approver_policys_policies_are_told_how_to_move(folder: Folder, policy: Build) -> None:
    peer = policy() | {"apiVersion": "policy.cert-manager.io/v1alpha1"}
    result = folder.run("lint", folder.write("p.yaml", peer))
    assert result.code == 0
    assert "to move over, write vault-issuer.io/v1alpha1 here" in result.stdout


def test_a_name_given_twice_is_an_error(folder: Folder, policy: Build) -> None:
    result = folder.run("lint", folder.write("a.yaml", policy()), folder.write("b.yaml", policy()))
    assert result.code == 1
    assert "is also the name of the policy in" in result.stdout


def test_another_version_is_an_error(folder: Folder, policy: Build) -> None:
    result = folder.run("lint", folder.write("p.yaml", policy() | {"apiVersion": "vault-issuer.io/v1"}))
    assert result.code == 1
    assert "must be vault-issuer.io/v1alpha1" in result.stdout


def test_files_without_policies_are_bad_input(folder: Folder, certificate: Build) -> None:
    result = folder.run("lint", folder.write("c.yaml", certificate()))
    assert result.code == 3
    assert "no CertificateRequestPolicy" in result.stderr
