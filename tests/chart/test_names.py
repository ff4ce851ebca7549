"""Names of digits alone, which Kubernetes takes, stay texts: YAML reads what isn't quoted as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.builds import HELM, HELM_3, Build
from testbed.chart import render
from tests.chart.conftest import FULL, ISSUER, POLICY, Object

HELMS = [HELM, HELM_3]
RELEASE, NAMESPACE = "9001", "9002"
VALUES: Object = {
    **FULL,
    "nameOverride": "9003",
    "fullnameOverride": "9004",
    "commonLabels": {"team": "9005"},
    "commonAnnotations": {"example.com/owner": "9006"},
    "controller": {"clusterResourceNamespace": "9007"},
    "revocation": {"enabled": True, "namespaces": ["9008"]},
    "clusterIssuers": {"secrets": ["9009"], "serviceAccounts": ["9010"]},
    "namespaceAccess": [{"namespace": "9011", "secrets": ["9012"], "serviceAccounts": ["9013"]}],
    "issuers": [{"name": "9014", "spec": ISSUER}, {"name": "9014", "namespace": "9015", "spec": ISSUER}],
    "policies": [
        {
            "name": "9016",
            "spec": POLICY,
            "users": [{"kind": "ServiceAccount", "name": "9017", "namespace": "9018"}],
        }
    ],
    "starterPolicy": {
        "enabled": True,
        "name": "9019",
        "dnsNames": ["9020"],
        "issuer": {"kind": "VaultIssuer", "name": "9021"},
        "certManager": {"serviceAccount": "9022", "namespace": "9023"},
    },
    "canary": {
        "enabled": True,
        "issuers": [
            {"name": "9024", "dnsName": "9025"},
            {"name": "9026", "namespace": "9027", "dnsName": "a"},
        ],
        "namespace": "9028",
    },
    "serviceAccount": {"name": "9029", "labels": {"a": "9030"}, "annotations": {"a": "9031"}},
    "imagePullSecrets": [{"name": "9032"}],
    "priorityClassName": "9033",
    "runtimeClassName": "9034",
    "metrics": {
        "tls": {"secretName": "9035"},
        "podMonitor": {
            "enabled": True,
            "namespace": "9036",
            "authorization": {"credentials": {"name": "9037", "key": "token"}},
        },
    },
    "statusPage": {**FULL["statusPage"], "tls": {"secretName": "9038"}},
    "pki": {
        **FULL["pki"],
        "namespace": "9039",
        "caSecret": "9040",
        "login": {"role": "9041", "mountPath": "9042", "audience": "9043"},
    },
    "image": {"registry": "registry.example.com", "tag": "9044"},
}
# Which are a part of a longer text: an argument, or an image's name.
WITHIN = {"9007", "9021", "9024", "9025", "9026", "9027", "9028", "9041", "9042", "9044"}


def leaves(tree: Any) -> Iterator[object]:
    """Every value that is neither a mapping nor a list."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield tree


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_names_of_digits_stay_texts(which: Build) -> None:
    objects = render(VALUES, release=RELEASE, namespace=NAMESPACE, which=which)
    found = set(leaves(objects))
    numbers = range(9001, 9045)
    assert [one for one in numbers if one in found] == []
    assert {str(one) for one in numbers} - found - WITHIN == set()


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_a_wrapped_tokens_secret_of_digits_stays_a_text(which: Build) -> None:
    pki = {**FULL["pki"], "login": {"wrappedTokenSecret": "9045"}}
    assert "9045" in set(leaves(render({"pki": pki}, which=which)))
