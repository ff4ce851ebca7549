"""Rules of a policy's text are read and weighed as Vault does."""

from __future__ import annotations

import pytest

from issuer.pki.resources.policy_rules import UnreadableRules, rules_of

TEXT = """
# Rules of several kinds.
path "pki/*" { capabilities = ["read", "list"] }
path "pki/sign/web" {
  capabilities = ["update"] // and nothing else
  allowed_parameters = { "ttl" = ["1h"], "*" = [] }
}
path "pki/issuer/+/sign/*" { capabilities = ["deny"] }
path "pki/issuer/main/sign/web" { capabilities = ["update"] }
path "pki/certs" { policy = "read" }
path "pki/+/web" { capabilities = ["create"] }
"""


@pytest.mark.parametrize(
    ("path", "capabilities"),
    [
        ("pki/sign/web", {"update"}),
        ("pki/issue/web", {"create"}),
        ("pki/anything/else", {"read", "list"}),
        ("pki/issuer/other/sign/web", set()),
        ("pki/issuer/main/sign/web", {"update"}),
        ("pki/certs/", {"read", "list"}),
        ("pki", set()),
        ("other/sign/web", set()),
    ],
)
def test_the_rule_that_says_most_counts(path: str, capabilities: set[str]) -> None:
    assert rules_of(TEXT).capabilities(path) == capabilities


def test_rules_that_limit_parameters_are_conditional() -> None:
    rules = rules_of(TEXT)
    assert [one.path for one in rules.rules if one.is_conditional] == ["pki/sign/web"]


def test_json_says_the_same() -> None:
    rules = rules_of('{"path": {"pki/sign/web": {"capabilities": ["update"]}}}')
    assert rules.capabilities("pki/sign/web") == {"update"}


def test_one_path_given_twice_is_merged_and_deny_wins() -> None:
    rules = rules_of(
        'path "a" { capabilities = ["read"] }\npath "a" { capabilities = ["list"] }\n'
        'path "b" { capabilities = ["read"] }\npath "b" { capabilities = ["deny"] }'
    )
    assert rules.capabilities("a") == {"read", "list"}
    assert rules.capabilities("b") == set()


@pytest.mark.parametrize(
    "text",
    [
        'path "a" {',
        "path a { }",
        'rule "a" { }',
        'path "a" { capabilities = "read" }',
        '{"path": {"a": 1}}',
        'path "a" { capabilities = ["read" }',
        "\x00",
        "{",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(UnreadableRules):
        rules_of(text)
