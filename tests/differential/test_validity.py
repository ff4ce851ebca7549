"""A policy that approver-policy's webhook refuses is never used here, and one that it takes is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from issuer.policy.compiled import PolicyInvalid, compile_policy
from testbed.cluster import Testbed
from testbed.errors import HTTPError
from tests.differential.peer import policy
from tests.differential.run import Asked

EVERYTHING: dict[str, Any] = {"selector": {"issuerRef": {}}}
RULE = {"rule": "self != ''"}


def _with(path: str, value: Any, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {**copy.deepcopy(EVERYTHING), **more}
    *parents, last = path.split(".")
    inner = spec
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[last] = value
    return spec


def _rule(text: str, **more: str) -> dict[str, Any]:
    return _with("allowed.dnsNames", {"validations": [{"rule": text, **more}]})


def _other(field: str, **entry: Any) -> dict[str, Any]:
    return _with(f"allowed.{field}", [{"values": ["*"], **entry}])


GOOD = {
    "nothing allowed": EVERYTHING,
    "namespaces alone": {"selector": {"namespace": {}}},
    "empty allowed": _with("allowed", {}),
    "empty constraints": _with("constraints", {"privateKey": {}}),
    "required with no values that match": _with("allowed.dnsNames", {"values": [], "required": True}),
    "required with rules": _with("allowed.commonName", {"validations": [RULE], "required": True}),
    "an empty value": _with("allowed.commonName", {"value": ""}),
    "the same duration twice": _with("constraints", {"minDuration": "60m", "maxDuration": "1h"}),
    "no duration at all": _with("constraints", {"minDuration": "0s"}),
    "sizes of any key": _with("constraints.privateKey", {"minSize": 0, "maxSize": 8192}),
    "sizes for ECDSA": _with(
        "constraints.privateKey", {"algorithm": "ECDSA", "minSize": 256, "maxSize": 256}
    ),
    "an OID": _other("otherNames", oid="1.3.6.1.4.1.311.20.2.3"),
    "a domain component": _other("subject.otherAttributes", oid="0.9.2342.19200300.100.1.25"),
    "a long first arc": _other("otherNames", oid="2.999.1"),
    "labels": _with("selector.namespace", {"matchLabels": {"example.test/env": "prod", "x": ""}}),
    "a rule with a message": _rule("self.endsWith('.test')", message="no"),
    "a rule on many lines": _rule("self != ''\n  && true", message="no"),
    "functions": _rule("isServiceAccount(cr.username) && self.split('.').size() > 1"),
}
BAD = {
    "no selector": {"selector": {}},
    "required without values": _with("allowed.dnsNames", {"required": True}),
    "required without a value": _with("allowed.commonName", {"required": True}),
    "required in the subject": _with("allowed.subject.countries", {"required": True}),
    "a required otherName": _with("allowed.otherNames", [{"oid": "1.2.3", "required": True}]),
    "max below min": _with("constraints", {"minDuration": "2h", "maxDuration": "1h"}),
    "negative": _with("constraints", {"maxDuration": "-1h"}),
    "no duration": _with("constraints", {"maxDuration": "1 day"}),
    "max size below min": _with("constraints.privateKey", {"minSize": 4096, "maxSize": 2048}),
    "a size too large": _with("constraints.privateKey", {"maxSize": 8193}),
    "a negative size": _with("constraints.privateKey", {"minSize": -1}),
    "sizes for Ed25519": _with("constraints.privateKey", {"algorithm": "Ed25519", "minSize": 256}),
    "an algorithm": _with("constraints.privateKey", {"algorithm": "DSA"}),
    "a usage": _with("allowed.usages", ["signing", "nothing"]),
    "an OID with a word": _other("otherNames", oid="1.2.x"),
    "an OID with zeros": _other("otherNames", oid="1.02.3"),
    "an OID twice": _with("allowed.otherNames", [{"oid": "1.2.3"}, {"oid": "1.2.3"}]),
    "an OID with a field": _other("subject.otherAttributes", oid="2.5.4.10"),
    "a label's key": _with("selector.namespace", {"matchLabels": {"a b": "c"}}),
    "a label's value": _with("selector.namespace", {"matchLabels": {"a": "b c"}}),
    "syntax": _rule("self =="),
    "an unknown variable": _rule("request.name == self"),
    "an unknown field": _rule("cr.uid == ''"),
    "an unknown function": _rule("self.reversed() == ''"),
    "not a bool": _rule("self"),
    "types": _rule("self + 1 == 'a'"),
    "a rule twice": _with("allowed.uris", {"validations": [RULE, RULE]}),
    "plugins": _with("plugins", {"rego": {"values": {"a": "b"}}}),
}


def _refused_there(bed: Testbed, spec: dict[str, Any]) -> bool:
    path = bed.kube.path("policy.cert-manager.io/v1alpha1", "CertificateRequestPolicy", dryRun="All")
    try:
        bed.kube.http.call("POST", path, policy("tried", spec))
    except HTTPError as error:
        # An answer of the webhook or the schema; anything else (it can't be reached) would prove nothing.
        if error.status in (400, 403, 422):
            return True
        raise
    return False


def _refused_here(spec: dict[str, Any]) -> bool:
    try:
        compile_policy("tried", spec)
    except PolicyInvalid:
        return True
    return False


@pytest.mark.parametrize("name", GOOD)
def test_a_policy_that_is_taken_there_is_taken_here(name: str, bed: Testbed, asked: Asked) -> None:
    assert (_refused_there(bed, GOOD[name]), _refused_here(GOOD[name])) == (False, False)


@pytest.mark.parametrize("name", BAD)
def test_a_policy_that_is_refused_there_is_refused_here(name: str, bed: Testbed, asked: Asked) -> None:
    assert (_refused_there(bed, BAD[name]), _refused_here(BAD[name])) == (True, True)


def test_our_api_server_takes_every_policy_of_theirs(bed: Testbed, asked: Asked) -> None:
    """Moving over is changing `apiVersion`: our schema takes what theirs took."""
    bed.install_crds()
    path = bed.kube.path("vault-issuer.io/v1alpha1", "CertificateRequestPolicy", dryRun="All")
    specs = {name: spec for case in asked.cases[:200] for name, spec in case.policies.items()}
    for name, spec in {**specs, **{f"good-{at}": one for at, one in enumerate(GOOD.values())}}.items():
        moved = {**policy(name, spec), "apiVersion": "vault-issuer.io/v1alpha1"}
        bed.kube.http.call("POST", path, moved)
