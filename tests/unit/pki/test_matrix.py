"""Every path of a PKI mount has an example in the matrix; what a policy means is told without its rules."""

from __future__ import annotations

import pytest

from issuer.pki.file.access import PolicyText
from issuer.pki.resources.pki_paths import PROTECTED, READABLE, UNPROTECTED
from issuer.pki.resources.policies import generated
from issuer.pki.resources.policy_rules import PolicyRule, rules_of
from issuer.pki.verify.matrix import PathDifference, ProbedMount, differences, meaning_of

MOUNT = ProbedMount("pki", ("web", "other"), ("ca-2026", "default"))
GRANTS = {
    "sign": ["pki/web"],
    "issue": ["pki/web"],
    "revoke": ["pki"],
    "signIntermediate": ["pki"],
    "read": ["pki"],
    "protect": ["pki"],
}


def test_each_pattern_has_an_example_without_wildcards() -> None:
    paths = MOUNT.paths()
    assert not [one for one in paths if "+" in one or "*" in one]
    for pattern in (*PROTECTED, *UNPROTECTED, *READABLE):
        rule = PolicyRule(f"pki/{pattern}", frozenset())
        assert any(rule.matches(one) or rule.path == one for one in paths), pattern


@pytest.mark.parametrize("granted", [*GRANTS, "all"])
def test_grants_mean_what_the_rules_made_of_them_give(granted: str) -> None:
    grants = GRANTS if granted == "all" else {granted: GRANTS[granted]}
    policy = PolicyText.model_validate({"generate": grants})
    assert policy.generate is not None
    rules = rules_of(generated(policy.generate))
    held = {path: sorted(rules.capabilities(path)) for path in MOUNT.paths()}
    meant = meaning_of(policy)
    assert list(differences(meant, held, list(held))) == []


def test_more_and_less_than_meant_is_told_by_path() -> None:
    meant = meaning_of(PolicyText.model_validate({"generate": {"sign": ["pki/web"]}}))
    held = {"pki/sign/web": ["deny"], "pki/issue/web": ["update"], "pki/revoke": ["deny"]}
    found = list(differences(meant, held, list(held)))
    assert found == [
        PathDifference("pki/sign/web", (), ("update",)),
        PathDifference("pki/issue/web", ("update",), ()),
    ]
    assert "denies update on pki/sign/web" in str(found[0])


def test_root_may_everything() -> None:
    meant = meaning_of(PolicyText.model_validate({"generate": {"sign": ["pki/web"]}}))
    (found,) = differences(meant, {"pki/ca": ["root"]}, ["pki/ca"])
    assert "sudo" in found.more
