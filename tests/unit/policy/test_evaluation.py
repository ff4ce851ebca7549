"""Each field allows what it says, denies all else at its path, and every violation is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.duration import parse_duration
from issuer.policy.evaluation import MAX_REPORTED, violations
from issuer.policy.facts import RequestFacts
from tests.rsa_keys import rsa_key
from tests.unit.policy.forge import (
    CN,
    EVERYTHING,
    ORG,
    SAN,
    SERIAL,
    SKI,
    UPN,
    attribute,
    csr,
    dns,
    extension,
    facts,
    other_name,
    policy,
    sans,
    sequence,
    subject,
    tlv,
    utf8,
)

EMAIL = "1.2.840.113549.1.9.1"
NAMES = [
    ("dnsNames", lambda text: tlv(0x82, text), b"web.lab.test", b"web.other.test", "*.lab.test"),
    ("ipAddresses", lambda text: tlv(0x87, text), b"\x0a\0\0\1", b"\x0b\0\0\1", "10.*"),
    ("ipAddresses", lambda text: tlv(0x87, text), b"\xfd" + bytes(14) + b"\1", bytes(16), "fd00::*"),
    ("uris", lambda text: tlv(0x86, text), b"spiffe://lab/web", b"spiffe://other/web", "spiffe://lab/*"),
    ("emailAddresses", lambda text: tlv(0x81, text), b"a@lab.test", b"a@other.test", "*@lab.test"),
]
SUBJECT = {
    "organizations": ORG,
    "countries": "2.5.4.6",
    "organizationalUnits": "2.5.4.11",
    "localities": "2.5.4.7",
    "provinces": "2.5.4.8",
    "streetAddresses": "2.5.4.9",
    "postalCodes": "2.5.4.17",
}


def fields(allowed: dict[str, Any], request: RequestFacts, **spec: Any) -> list[str]:
    return [violation.field for violation in violations(policy(allowed=allowed, **spec), request)]


@pytest.mark.parametrize(("field", "write", "good", "bad", "pattern"), NAMES)
def test_names_are_allowed_by_pattern(field: str, write: Any, good: bytes, bad: bytes, pattern: str) -> None:
    path = f"spec.allowed.{field}"
    allowed = {field: {"values": ["x", pattern]}}
    assert fields(allowed, facts(csr(sans(write(good))))) == []
    assert fields(allowed, facts(csr(sans(write(good), write(bad))))) == [f"{path}.values"]
    assert fields({}, facts(csr(sans(write(good))))) == [path]
    assert fields({field: {}}, facts(csr(sans(write(good))))) == [path]
    assert fields({field: {"values": []}}, facts(csr(sans(write(good))))) == [f"{path}.values"]
    assert fields({field: {"values": ["x"], "required": True}}, facts(csr())) == [f"{path}.required"]
    assert fields(allowed, facts(csr())) == []


@pytest.mark.parametrize(("field", "oid"), SUBJECT.items())
def test_subject_attributes_are_allowed_by_pattern(field: str, oid: str) -> None:
    path = f"spec.allowed.subject.{field}"
    allowed = {"subject": {field: {"values": ["lab*"]}}}
    one = facts(csr(name=subject(attribute(oid, "lab one"), attribute(oid, tlv(0x13, b"lab")))))
    other = facts(csr(name=subject(attribute(oid, "lab one"), attribute(oid, "other"))))
    assert fields(allowed, one) == []
    assert fields(allowed, other) == [f"{path}.values"]
    assert fields({}, one) == [path]
    required = {"subject": {field: {"values": ["lab*"], "required": True}}}
    assert fields(required, facts(csr())) == [f"{path}.required"]


@pytest.mark.parametrize(("field", "oid"), [("commonName", CN), ("subject.serialNumber", SERIAL)])
def test_single_values_are_allowed_by_pattern(field: str, oid: str) -> None:
    path = f"spec.allowed.{field}"

    def allowed(**entry: Any) -> dict[str, Any]:
        return {"commonName": entry} if oid == CN else {"subject": {"serialNumber": entry}}

    one, empty = (facts(csr(name=subject(attribute(oid, text)))) for text in ("web", ""))
    assert fields(allowed(value="w*"), one) == []
    assert fields(allowed(value="x"), one) == [f"{path}.value"]
    assert fields({}, one) == [path]
    assert fields({}, empty) == [], "as in approver-policy, an empty one is none"
    assert fields(allowed(value="*", required=True), empty) == [f"{path}.required"]
    assert fields(allowed(value="*", required=True), facts(csr())) == [f"{path}.required"]
    both = facts(csr(name=subject(attribute(oid, "web"), attribute(oid, ""))))
    assert fields(allowed(value="*", required=True), both) == [f"{path}.required"]


def test_places_with_a_type_of_their_own() -> None:
    name = subject(attribute(EMAIL, tlv(0x16, b"a@lab.test")))
    both = facts(
        csr(sans(other_name(UPN, utf8("a@lab.test")), other_name("1.2.3", b"\x04\x01\xff")), name=name)
    )
    assert fields({}, both) == [
        f"spec.allowed.otherNames[{UPN}]",
        "spec.allowed.otherNames[1.2.3]",
        f"spec.allowed.subject.otherAttributes[{EMAIL}]",
    ]
    mail = {"values": ["*@lab.test"]}
    allowed = {
        "otherNames": [{"oid": UPN, **mail}, {"oid": "1.2.3", "values": ["0401ff"]}],
        "subject": {"otherAttributes": [{"oid": EMAIL, **mail}]},
    }
    assert fields(allowed, both) == []
    required = {
        "otherNames": [{"oid": UPN, **mail, "required": True}],
        "subject": {"otherAttributes": [{"oid": EMAIL, **mail, "required": True}]},
    }
    assert fields(required, facts(csr())) == [
        f"spec.allowed.otherNames[{UPN}].required",
        f"spec.allowed.subject.otherAttributes[{EMAIL}].required",
    ]


def test_ca_and_usages_are_the_requests_own() -> None:
    request = facts(csr(), is_ca=True, usages=("server auth", "client auth"))
    assert fields({}, request) == ["spec.allowed.isCA", "spec.allowed.usages"]
    assert fields({"isCA": False, "usages": ["server auth"]}, request) == [
        "spec.allowed.isCA",
        "spec.allowed.usages",
    ]
    assert fields({"isCA": True, "usages": ["client auth", "server auth"]}, request) == []
    assert fields({}, facts(csr())) == []


def test_every_rule_must_hold_for_every_value_and_tells_its_message() -> None:
    rules = [
        {"rule": "self.endsWith('.test')", "message": "must end\nin .test"},
        {"rule": "self.startsWith(cr.namespace)"},
        {"rule": "self.split('.')[5] == ''"},
    ]
    judge = policy(allowed={"dnsNames": {"values": ["*"], "validations": rules}})
    found = violations(judge, facts(csr(sans(dns("team-a.test"), dns("b.example")))))
    assert [(violation.field[-2], violation.message) for violation in found] == [
        ("2", _failed("team-a.test", 2)),
        ("0", '"b.example": must end in .test'),
        ("1", '"b.example": failed rule: self.startsWith(cr.namespace)'),
        ("2", _failed("b.example", 2)),
    ]
    only_rules = {"dnsNames": {"validations": [{"rule": "self == 'a.test'"}]}}
    assert fields(only_rules, facts(csr(sans(dns("a.test"))))) == []


def _failed(value: str, size: int) -> str:
    error = f"UNKNOWN: Index error: index=5 size={size}"
    return f'"{value}": the rule "self.split(\'.\')[5] == \'\'" failed: "{error}"'


def test_all_violations_are_told_in_order_and_in_bounds() -> None:
    many = sans(*(dns(f"{number}.bad.test") for number in range(300)))
    rules = {"validations": [{"rule": "self == 'good'"}]}
    found = violations(
        policy(allowed={"dnsNames": {"values": ["good"], **rules}}, constraints={"maxDuration": "1h"}),
        facts(csr(many, name=subject(attribute(CN, "x" * 500))), usages=("any",)),
    )
    assert [violation.field for violation in found] == [
        "spec.allowed.commonName",
        "spec.allowed.dnsNames.values",
        *["spec.allowed.dnsNames.validations[0]"] * MAX_REPORTED,
        "spec.allowed.usages",
        "spec.constraints.maxDuration",
    ]
    assert "and 295 more" in found[1].message
    assert all(len(str(violation)) < 1_000 for violation in found)
    assert all(str(violation).isprintable() for violation in found)


@pytest.mark.parametrize(
    ("duration", "broken"),
    [
        (None, ["maxDuration", "minDuration"]),
        (timedelta(hours=1), []),
        (timedelta(hours=2), []),
        (timedelta(minutes=59, seconds=59), ["minDuration"]),
        (timedelta(hours=2, microseconds=1), ["maxDuration"]),
    ],
)
def test_durations_are_inclusive_and_must_be_named(duration: timedelta | None, broken: list[str]) -> None:
    limits = {"minDuration": "1h", "maxDuration": "120m"}
    found = fields({}, facts(csr(), duration=duration), constraints=limits)
    assert found == [f"spec.constraints.{field}" for field in broken]


def _request(key: CertificateIssuerPrivateKeyTypes) -> RequestFacts:
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    return facts(made.public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    ("constraint", "broken"),
    [
        ({}, [[], [], []]),
        ({"algorithm": "RSA"}, [[], ["algorithm"], ["algorithm"]]),
        ({"algorithm": "Ed25519"}, [["algorithm"], ["algorithm"], []]),
        ({"minSize": 2049}, [["minSize"], ["minSize"], ["minSize"]]),
        ({"minSize": 256}, [[], [], ["minSize"]]),
        ({"maxSize": 384}, [["maxSize"], [], []]),
        ({"algorithm": "ECDSA", "maxSize": 255}, [["algorithm", "maxSize"], ["maxSize"], ["algorithm"]]),
    ],
)
def test_keys_are_held_to_kind_and_size(constraint: dict[str, Any], broken: list[list[str]]) -> None:
    for request, expected in zip(_REQUESTS, broken, strict=True):
        found = fields({}, request, constraints={"privateKey": constraint})
        assert found == [f"spec.constraints.privateKey.{field}" for field in expected]


_REQUESTS = [
    _request(rsa_key()),
    _request(ec.generate_private_key(ec.SECP256R1())),
    _request(ed25519.Ed25519PrivateKey.generate()),
]


def test_a_duration_counts_whole_microseconds() -> None:
    asked = parse_duration("1h0m0.000000001s")
    assert violations(policy(constraints={"maxDuration": "1h"}), facts(csr(), duration=asked)) == ()


def test_a_key_of_another_kind_satisfies_no_constraint() -> None:
    for key in (ec.generate_private_key(ec.SECP256K1()), ed448.Ed448PrivateKey.generate()):
        request = _request(key)
        assert fields({}, request, constraints={"privateKey": {"maxSize": 8192}}) == [
            "spec.constraints.privateKey"
        ]
        assert fields({}, request, constraints={"privateKey": {}}) == []


def test_a_uri_is_judged_as_it_is_written() -> None:
    """Go's parser would write the scheme in lower case and drop the empty fragment before the peer looks."""
    request = facts(csr(sans(tlv(0x86, b"SPIFFE://lab/web#"))))
    assert fields({"uris": {"values": ["spiffe://lab/web"]}}, request) == ["spec.allowed.uris.values"]
    assert fields({"uris": {"values": ["SPIFFE://lab/web#"]}}, request) == []


def test_ipv4_inside_ipv6_is_judged_as_the_address_that_is_signed() -> None:
    request = facts(csr(sans(tlv(0x87, bytes(10) + b"\xff\xff\x0a\0\0\1"))))
    assert fields({"ipAddresses": {"values": ["10.0.0.1"]}}, request) == []
    assert fields({"ipAddresses": {"values": ["::ffff:*"]}}, request) == ["spec.allowed.ipAddresses.values"]


def test_a_key_identifier_that_is_the_keys_own_hash_says_nothing_new() -> None:
    plain = facts(csr())
    digest = x509.SubjectKeyIdentifier.from_public_key(
        x509.load_pem_x509_csr(plain.csr.pem.encode()).public_key()
    ).digest
    assert fields({}, facts(csr(extension(SKI, tlv(0x04, digest))))) == []


def test_a_required_field_that_cannot_be_read_is_told_once() -> None:
    request = facts(csr(sans(dns("a\0.test"))))
    assert fields({"dnsNames": {**EVERYTHING, "required": True}}, request) == ["spec.allowed.dnsNames"]


def test_an_extension_that_holds_no_names_denies_even_the_empty_policy() -> None:
    assert fields({}, facts(csr(extension(SAN, sequence())))) == ["spec.allowed.subjectAltName"]
    assert fields({}, facts(csr())) == []


def test_values_that_patterns_cannot_judge_in_time_are_denied() -> None:
    patterns = {"values": [f"a*{number}*z" for number in range(2_000)]}
    request = facts(csr(sans(*(dns(f"{number}.test") for number in range(900)))))
    (violation,) = violations(policy(allowed={"dnsNames": patterns}), request)
    assert violation.message == "900 values are too many, or too long, for these patterns to judge in time"


CALLED = [
    ("www.bank.test", "spec.allowed.dnsNames.values"),
    ("10.0.0.1", "spec.allowed.ipAddresses"),
    ("spiffe://prod/x", "spec.allowed.uris"),
    ("root@bank.test", "spec.allowed.emailAddresses"),
]


@pytest.mark.parametrize(("name", "field"), CALLED)
def test_a_common_name_alone_is_judged_as_the_name_that_the_ca_makes_of_it(name: str, field: str) -> None:
    """A CA such as step-ca signs it as an alternative name; others are asked not to."""
    allowed = {"commonName": {"value": "*"}, "dnsNames": {"values": ["*.lab.test"]}}
    alone = facts(csr(name=subject(attribute(CN, utf8(name)))))
    assert fields(allowed, alone) == []
    assert fields(allowed, replace(alone, names_common_name=True)) == [field]


@pytest.mark.parametrize("name", ["::ffff:10.0.0.1", "::FFFF:a00:1", "0:0:0:0:0:ffff:10.0.0.1"])
def test_a_mapped_address_as_common_name_alone_is_judged_as_ipv4(name: str) -> None:
    """It is signed as one, and each version of Python writes a mapped one otherwise."""
    alone = replace(facts(csr(name=subject(attribute(CN, utf8(name))))), names_common_name=True)
    for values, denied in ((["10.0.0.1"], []), (["*:*"], ["spec.allowed.ipAddresses.values"])):
        assert fields({"commonName": {"value": "*"}, "ipAddresses": {"values": values}}, alone) == denied


@pytest.mark.parametrize(
    ("extensions", "name"),
    [((sans(dns("web.lab.test")),), "www.bank.test"), ((), "web.lab.test"), ((), "Lab Shop CA")],
    ids=["beside a name", "allowed as both", "no name"],
)
def test_other_common_names_stay_what_they_are(extensions: tuple[bytes, ...], name: str) -> None:
    allowed = {"commonName": {"value": "*"}, "dnsNames": {"values": ["*.lab.test"]}}
    asked = facts(csr(*extensions, name=subject(attribute(CN, utf8(name)))))
    assert fields(allowed, replace(asked, names_common_name=True)) == []


def test_a_common_name_beside_an_other_name_alone_is_judged_as_well() -> None:
    allowed = {
        "commonName": {"value": "*"},
        "dnsNames": {"values": ["*.lab.test"]},
        "otherNames": [{"oid": UPN, "values": ["*"]}],
    }
    asked = facts(
        csr(sans(other_name(UPN, utf8("a@lab.test"))), name=subject(attribute(CN, utf8("www.bank.test"))))
    )
    assert fields(allowed, replace(asked, names_common_name=True)) == ["spec.allowed.dnsNames.values"]
