"""Everything wrong with a policy is found at once, at its field; what the peer takes is taken."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.api.policy import PolicySpec
from issuer.policy.compiled import PolicyInvalid, compile_policy

FOR_ALL: dict[str, Any] = {"selector": {"issuerRef": {}}}


def problems(**spec: Any) -> dict[str, str]:
    with pytest.raises(PolicyInvalid) as caught:
        compile_policy("bad", {**FOR_ALL, **spec})
    assert "\n" not in str(caught.value)
    return {problem.field: problem.message for problem in caught.value.problems}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"allowed": {}},
        {"allowed": None, "constraints": None, "plugins": None},
        {"allowed": {"subject": {}, "usages": [], "otherNames": [], "isCA": False}},
        {"allowed": {"dnsNames": {}, "commonName": {"value": ""}, "uris": {"values": [], "required": True}}},
        {"allowed": {"otherNames": [{"oid": "2.999.1"}], "dnsNames": {"validations": None}}},
        {"constraints": {"privateKey": {}}},
        {"constraints": {"minDuration": "1h", "maxDuration": "1h"}},
        {"constraints": {"minDuration": "0", "privateKey": {"minSize": 0, "maxSize": 8192}}},
        {"plugins": {}},
        {"selector": {"namespace": {}}},
        {"selector": {"issuerRef": {"name": "*"}, "namespace": {"matchNames": [], "matchLabels": {}}}},
        {"selector": {"namespace": {"matchLabels": {"example.com/team": "a", "x": ""}}}},
    ],
)
def test_what_the_peer_takes_compiles(spec: dict[str, Any]) -> None:
    assert compile_policy("good", {**FOR_ALL, **spec}).name == "good"
    compile_policy("good", PolicySpec.parse({**FOR_ALL, **spec}))


def test_all_problems_are_told_with_their_fields() -> None:
    found = problems(
        allowed={
            "commonName": {"required": True},
            "dnsNames": {"validations": [{"rule": "self."}, {"rule": "true"}, {"rule": "true"}]},
            "subject": {"otherAttributes": [{"oid": "2.5.4.10"}]},
        },
        constraints={"minDuration": "2h", "maxDuration": "1h"},
        selector={},
    )
    assert set(found) == {
        "spec.selector",
        "spec.constraints.maxDuration",
        "spec.allowed.commonName.value",
        "spec.allowed.dnsNames.validations[0]",
        "spec.allowed.dnsNames.validations[2]",
        "spec.allowed.subject.otherAttributes[0].oid",
    }


def test_required_needs_something_to_hold_against() -> None:
    found = problems(
        allowed={
            "dnsNames": {"required": True},
            "otherNames": [{"oid": "1.2.3", "required": True}],
            "subject": {"serialNumber": {"required": True}},
        }
    )
    assert set(found) == {
        "spec.allowed.dnsNames.values",
        "spec.allowed.otherNames[0].values",
        "spec.allowed.subject.serialNumber.value",
    }


@pytest.mark.parametrize("text", ["", "1", "1x", "300y", "-1h", "10000000h"])
def test_bad_durations_are_problems(text: str) -> None:
    assert set(problems(constraints={"maxDuration": text})) == {"spec.constraints.maxDuration"}


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ({"minSize": 4096, "maxSize": 2048}, {"maxSize"}),
        ({"minSize": -1}, {"minSize"}),
        ({"maxSize": 8193}, {"maxSize"}),
        ({"algorithm": "Ed25519", "minSize": 1, "maxSize": 2}, {"minSize", "maxSize"}),
        ({"algorithm": "DSA"}, {"algorithm"}),
    ],
)
def test_keys_that_cannot_be_are_problems(key: dict[str, Any], fields: set[str]) -> None:
    found = problems(constraints={"privateKey": key})
    assert set(found) == {f"spec.constraints.privateKey.{field}" for field in fields}


@pytest.mark.parametrize(
    "oid", ["", "1", "a", "1.2.", "1..2", "01.2", "1.02", "3.1", "1.40", "1.2.-3", "1.2.3 ", "1." * 300 + "1"]
)
def test_an_object_identifier_must_be_canonical(oid: str) -> None:
    assert set(problems(allowed={"otherNames": [{"oid": oid}]})) == {"spec.allowed.otherNames[0].oid"}


def test_an_object_identifier_comes_once_and_not_in_place_of_a_field() -> None:
    twice = [{"oid": "1.2.3"}, {"oid": "1.2.3"}]
    assert "twice" in problems(allowed={"otherNames": twice})["spec.allowed.otherNames[1].oid"]
    compile_policy("good", {**FOR_ALL, "allowed": {"otherNames": [{"oid": "2.5.4.3"}]}})
    found = problems(allowed={"subject": {"otherAttributes": [{"oid": "2.5.4.3"}]}})
    assert "a field of its own" in found["spec.allowed.subject.otherAttributes[0].oid"]


def test_plugins_make_a_policy_invalid() -> None:
    assert "don't run here" in problems(plugins={"rego": {"values": {"a": "b"}}})["spec.plugins"]


@pytest.mark.parametrize("labels", [{"": "a"}, {"a b": "c"}, {"/a": "b"}, {"A/b/c": "d"}, {"a": "b c"}])
def test_impossible_labels_are_problems(labels: dict[str, str]) -> None:
    found = problems(selector={"namespace": {"matchLabels": labels}})
    assert set(found) == {"spec.selector.namespace.matchLabels"}


def test_a_spec_of_the_wrong_shape_is_invalid_too() -> None:
    with pytest.raises(PolicyInvalid) as caught:
        compile_policy("bad", {"allowed": {"isCA": "yes", "usages": ["flying"]}})
    assert {problem.field for problem in caught.value.problems} == {
        "spec.selector",
        "spec.allowed.isCA",
        "spec.allowed.usages.0",
    }


def test_the_text_of_many_problems_is_bounded() -> None:
    rules = [{"rule": f"self.nothing{number}"} for number in range(50)]
    with pytest.raises(PolicyInvalid, match="and 45 more") as caught:
        compile_policy("bad", {**FOR_ALL, "allowed": {"dnsNames": {"validations": rules}}})
    assert len(caught.value.problems) == 50
    assert len(str(caught.value)) < 4_000
