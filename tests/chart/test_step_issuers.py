"""Issuers and canaries for step-ca in the values: their kinds, rights, names and arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from issuer.controller.canary.target import CanaryOptions
from issuer.requests.issuers import IssuerKey
from issuer.signing.backends import load_backends
from testbed.chart import render
from tests.chart.conftest import ISSUER, Object, of_kind, rules, the_deployment
from tests.chart.test_canary import canary_objects, options
from tests.chart.test_rights import secrets_of_cluster_issuers
from tests.chart.test_values import notes, refused

SPEC: Object = {
    "url": "https://ca.example.com",
    "caBundle": "TEZT",
    "provisioner": {"name": "admin", "kid": "k", "passwordRef": {"name": "password", "key": "password"}},
}
CLUSTER = {"name": "ca", "kind": "StepClusterIssuer"}
OWN = {"name": "ca", "kind": "StepIssuer", "namespace": "team-a"}
NAME = {"dnsName": "canary.lab.example.com"}
# Beside issuers of Vault with their names.
ISSUERS: list[Object] = [
    {"name": "ca", "spec": ISSUER},
    {"name": "ca", "namespace": "team-a", "spec": ISSUER},
    {**CLUSTER, "spec": SPEC},
    {**OWN, "spec": SPEC},
]
CANARIES: list[Object] = [
    {"name": "ca", **NAME},
    {"name": "ca", "namespace": "team-a", **NAME},
    {**CLUSTER, **NAME},
    {**OWN, **NAME},
    {**CLUSTER, "name": "other", **NAME},
]
VALUES: Object = {"issuers": ISSUERS, "canary": {"enabled": True, "issuers": CANARIES}}


def names(objects: list[Object]) -> list[tuple[str, str]]:
    """Namespace and name of each object."""
    return [(one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in objects]


def test_they_are_made_with_the_specs_of_the_values() -> None:
    made = of_kind(render(VALUES), "StepClusterIssuer", "StepIssuer")
    assert names(made) == [("", "ca"), ("team-a", "ca")]
    assert [one["spec"] for one in made] == [SPEC, SPEC]


def test_the_secrets_of_the_clusters_may_be_read() -> None:
    keyed = {**SPEC, "provisioner": {"name": "a", "kid": "k", "keyRef": {"name": "jwk", "key": "jwk"}}}
    anchored = {**SPEC, "trustedCA": {"secretRef": {"name": "anchor", "key": "ca.crt"}}}
    tenants = {**SPEC, "provisioner": {**SPEC["provisioner"], "passwordRef": {"name": "not", "key": "x"}}}
    issuers = [
        {**CLUSTER, "spec": anchored},
        {**CLUSTER, "name": "keyed", "spec": keyed},
        {**OWN, "spec": tenants},
    ]
    assert secrets_of_cluster_issuers({"issuers": issuers, "clusterIssuers": {"secrets": []}}) == {
        "vault-issuer-cluster-issuers": ["anchor", "jwk", "password"]
    }


def test_canaries_ask_them_under_names_of_their_own() -> None:
    objects = canary_objects(VALUES, "Certificate")
    assert len(set(names(objects))) == len(objects) == len(CANARIES)
    kinds = {one["spec"]["issuerRef"]["kind"] for one in objects}
    assert kinds == {"VaultClusterIssuer", "VaultIssuer", "StepClusterIssuer", "StepIssuer"}
    policies = canary_objects(VALUES, "CertificateRequestPolicy")
    assert {one["spec"]["selector"]["issuerRef"]["kind"] for one in policies} == kinds
    deployment = the_deployment(render(VALUES))
    read = CanaryOptions(
        options(deployment, "canary"), "", options(deployment, "canary-dns-name"), [], "1h", 30.0
    )
    assert {one.issuer for one in read.targets()} == {
        IssuerKey("VaultClusterIssuer", "", "ca"),
        IssuerKey("VaultIssuer", "team-a", "ca"),
        IssuerKey("StepClusterIssuer", "", "ca"),
        IssuerKey("StepIssuer", "team-a", "ca"),
        IssuerKey("StepClusterIssuer", "", "other"),
    }


ADOPTED = {"name": "ca", "kind": "StepClusterIssuer.certmanager.step.sm", **NAME}
THEIRS = {"name": "ca", "kind": "StepIssuer.certmanager.step.sm", "namespace": "team-a", **NAME}


def test_canaries_ask_adopted_issuers_whose_requests_others_approve() -> None:
    """A policy about one would hold for all requests of that issuer, and nothing else of it is ours."""
    canaries = [*CANARIES, ADOPTED, THEIRS]
    values = {"adopt": {"stepIssuer": True}, "canary": {"enabled": True, "issuers": canaries}}
    certificates = canary_objects(values, "Certificate")
    assert len(set(names(certificates))) == len(canaries)
    references = [one["spec"]["issuerRef"] for one in certificates]
    group = "certmanager.step.sm"
    assert {"group": group, "kind": "StepClusterIssuer", "name": "ca"} in references
    assert {"group": group, "kind": "StepIssuer", "name": "ca"} in references
    selected = {
        one["spec"]["selector"]["issuerRef"]["group"]
        for one in canary_objects(values, "CertificateRequestPolicy")
    }
    assert selected == {"vault-issuer.io"}
    deployment = the_deployment(render(values))
    asked, dns = options(deployment, "canary"), options(deployment, "canary-dns-name")
    kinds = load_backends((), adopt_step_issuer=True).kinds
    targets = CanaryOptions(asked, "", dns, [], "1h", 30.0, issuer_kinds=kinds).targets()
    assert IssuerKey(f"StepClusterIssuer.{group}", "", "ca") in {one.issuer for one in targets}
    assert IssuerKey(f"StepIssuer.{group}", "team-a", "ca") in {one.issuer for one in targets}


def test_helm_test_looks_at_each_of_them_by_a_right_of_its_own() -> None:
    (pod,) = of_kind(render(VALUES), "Pod")
    asked = [one for one in pod["spec"]["containers"][0]["args"] if one.startswith("--issuer=")]
    assert asked == [
        "--issuer=VaultClusterIssuer/ca",
        "--issuer=VaultIssuer/team-a/ca",
        "--issuer=StepClusterIssuer/ca",
        "--issuer=StepIssuer/team-a/ca",
    ]
    roles = [
        one
        for one in of_kind(render(VALUES), "Role", "ClusterRole")
        if one["metadata"]["name"].startswith("vault-issuer-test-")
    ]
    assert len({(one["kind"], *names([one])[0]) for one in roles}) == len(roles) == len(ISSUERS)
    assert {one["rules"][0]["resources"][0] for one in roles} == {
        "vaultclusterissuers",
        "vaultissuers",
        "stepclusterissuers",
        "stepissuers",
    }


def test_the_starter_policy_may_be_for_them() -> None:
    issuer = {"kind": "StepClusterIssuer", "name": "ca"}
    values = {"starterPolicy": {"enabled": True, "dnsNames": ["*.lab.example.com"], "issuer": issuer}}
    (policy,) = of_kind(render(values), "CertificateRequestPolicy")
    assert policy["spec"]["selector"]["issuerRef"] == {"group": "vault-issuer.io", **issuer}


def arguments(values: Object, word: str) -> list[str]:
    """The controller's arguments with the word."""
    (container,) = the_deployment(render(values))["spec"]["template"]["spec"]["containers"]
    return [one for one in container["args"] if word in one]


@pytest.mark.parametrize(
    ("adopt", "words"),
    [
        ({}, []),
        ({"anyway": True}, []),
        ({"stepIssuer": True}, ["--adopt-step-issuer"]),
        ({"stepIssuer": True, "anyway": True}, ["--adopt-step-issuer", "--adopt-anyway"]),
    ],
)
def test_step_issuer_is_replaced_only_where_that_is_asked(adopt: Object, words: list[str]) -> None:
    values = {"adopt": adopt}
    assert arguments(values, "adopt") == words
    groups = {group for _, rule in rules(render(values)) for group in rule["apiGroups"]}
    assert ("certmanager.step.sm" in groups) is bool(words)


def test_passwords_are_read_where_the_values_list_them() -> None:
    assert arguments(VALUES, "--password") == []
    lists = {
        "passwordVariables": ["STEP_PASSWORD", "OTHER"],
        "passwordFolders": ["/var/run/step", "/var/run/lab"],
    }
    assert arguments({"clusterIssuers": lists}, "--password") == [
        "--password-variable=STEP_PASSWORD",
        "--password-variable=OTHER",
        "--password-folder=/var/run/step",
        "--password-folder=/var/run/lab",
    ]


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"issuers": [{**CLUSTER, "spec": ISSUER}]}, "'url'"),
        ({"issuers": [{"name": "ca", "spec": SPEC}]}, "'vault'"),
        ({"issuers": [{**CLUSTER, "spec": {**SPEC, "durations": "Shorten"}}]}, "durations"),
        ({"issuers": [{**CLUSTER, "namespace": "team-a", "spec": SPEC}]}, "namespace"),
        ({"issuers": [{"name": "ca", "kind": "StepIssuer", "spec": SPEC}]}, "namespace"),
        ({"issuers": [{"name": "ca", "kind": "Issuer", "spec": SPEC}]}, "kind"),
        ({"canary": {"issuers": [{"name": "ca", "kind": "StepIssuer", **NAME}]}}, "namespace"),
        ({"canary": {"issuers": [{**CLUSTER, "namespace": "team-a", **NAME}]}}, "namespace"),
        ({"canary": {"issuers": [{**ADOPTED, "namespace": "team-a"}]}}, "namespace"),
        ({"canary": {"enabled": True, "issuers": [ADOPTED]}}, "adopt.stepIssuer"),
    ],
)
def test_a_kind_with_what_it_has_not_is_refused(values: dict[str, Any], about: str) -> None:
    assert about in refused(values)


def test_the_notes_name_them(tmp_path: Path) -> None:
    assert "canary StepClusterIssuer/other --dns-name" in notes(VALUES, tmp_path)
