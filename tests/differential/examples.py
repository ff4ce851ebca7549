"""One request or more for each deliberate difference (issuer/policy/differences.py), and both sides' answers.

`Error` is the peer that can't evaluate, tries again and never answers. On our side `Invalid` is a policy
that isn't used, and `Unreadable` a CSR that is refused before any policy is asked.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.policy.compiled import PolicyInvalid
from issuer.x509.errors import InvalidRequest
from tests.differential.cases import Case
from tests.differential.ours import decide
from tests.unit.policy.forge import (
    BC,
    CN,
    EVERYTHING,
    ORG,
    UPN,
    attribute,
    csr,
    dns,
    extension,
    extension_request,
    key_usage,
    other_name,
    sans,
    sequence,
    subject,
    tlv,
    utf8,
)

LAB: Final = {"dnsNames": {"values": ["*.lab.test"]}}
WEB: Final = dns("web.lab.test")
CA_TRUE: Final = extension(BC, sequence(b"\x01\x01\xff"), critical=True)


@dataclass(frozen=True, slots=True)
class Example:
    """A request that this policy allows there or here, but not on both sides."""

    difference: str
    allowed: Mapping[str, Any]
    pem: bytes
    peer: str
    ours: str
    constraints: Mapping[str, Any] = field(default_factory=dict)
    duration: str = "1h"


def _ruled(rule: str) -> dict[str, Any]:
    return {"dnsNames": {"validations": [{"rule": rule}]}}


def _koblitz() -> bytes:
    """A CSR with a key on a curve that neither Go nor NIST has."""
    key = ec.generate_private_key(ec.SECP256K1())
    names = x509.SubjectAlternativeName([x509.DNSName("web.lab.test")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(names, critical=True).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def examples() -> list[Example]:
    """All of them, in the order of the differences."""
    web = csr(sans(WEB))
    return [
        Example("csr-asks-for-ca", LAB, csr(sans(WEB), CA_TRUE), "Approved", "Denied"),
        Example("csr-usages-beyond-spec", LAB, csr(sans(WEB), key_usage(0xA4)), "Approved", "Denied"),
        Example("csr-other-extensions", LAB, csr(sans(WEB), extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")),
                "Approved", "Denied"),
        Example("hidden-names", {"otherNames": [{"oid": UPN, "values": ["bob@corp.test"]}]},
                csr(sans(other_name(UPN, utf8("bob@corp.test"), utf8("admin@corp.test")))), "Approved",
                "Denied"),
        Example("undecodable-is-denied", LAB, csr(sans(dns("bücher.lab.test"))), "Error", "Denied"),
        Example("repeated-extensions", LAB, csr(sans(WEB), sans(dns("evil.test"))), "Error", "Unreadable"),
        Example("repeated-extensions", LAB,
                csr(attributes=[extension_request(sans(WEB)), extension_request(CA_TRUE)]), "Approved",
                "Unreadable"),
        Example("control-characters", LAB, csr(sans(dns("bank.test\0.lab.test"))), "Approved", "Denied"),
        Example("teletex-and-bmp-strings", {"subject": {"organizations": EVERYTHING}},
                csr(name=subject(attribute(ORG, tlv(0x14, b"us$")))), "Approved", "Denied"),
        Example("other-spellings", _ruled("!self.startsWith('admin.')"), csr(sans(dns("ADMIN.lab.test"))),
                "Approved", "Denied"),
        Example("uri-as-written", {"uris": {"values": ["https://a.lab.test/x"]}},
                csr(sans(tlv(0x86, b"HTTPS://a.lab.test/x"))), "Approved", "Denied"),
        Example("uri-by-rfc3986", {"uris": EVERYTHING}, csr(sans(tlv(0x86, b"a/b"))), "Approved", "Denied"),
        Example("uri-hosts", {"uris": EVERYTHING}, csr(sans(tlv(0x86, b"https:///bank.test/"))), "Approved",
                "Denied"),
        Example("uri-dot-segments", {"uris": {"values": ["spiffe://td/ns/shop/*"]}},
                csr(sans(tlv(0x86, b"spiffe://td/ns/shop/../admin"))), "Approved", "Denied"),
        Example("uri-patterns", {"uris": {"values": ["https://*.lab.test/*"]}},
                csr(sans(tlv(0x86, b"https://bank.test/.lab.test/x"))), "Approved", "Denied"),
        Example("host-names", LAB, csr(sans(dns("bank.test,x.lab.test"))), "Approved", "Denied"),
        Example("host-names", {"dnsNames": EVERYTHING}, csr(sans(dns("*.test"))), "Approved", "Denied"),
        Example("underscores", LAB, csr(sans(dns("_dmarc.lab.test"))), "Approved", "Denied"),
        Example("mail-addresses", {"emailAddresses": {"values": ["*@lab.test"]}},
                csr(sans(tlv(0x81, b"root@bank.test@lab.test"))), "Approved", "Denied"),
        Example("account-names", {"otherNames": [{"oid": UPN, "values": ["*@corp.test"]}]},
                csr(sans(other_name(UPN, utf8("admin@bank.test@corp.test")))), "Approved", "Denied"),
        Example("account-names", {"otherNames": [{"oid": "1.3.6.1.5.5.7.8.5", "values": ["*@lab.test"]}]},
                csr(sans(other_name("1.3.6.1.5.5.7.8.5", utf8("bank.test/x@lab.test")))), "Approved",
                "Denied"),
        Example("common-names-as-names", {"commonName": {"value": "*.lab.test"}},
                csr(name=subject(attribute(CN, "bank.test,x.lab.test"))), "Approved", "Denied"),
        Example("invisible-characters", {"subject": {"organizations": EVERYTHING}},
                csr(name=subject(attribute(ORG, "system:\u200bmasters"))), "Approved", "Denied"),
        Example("empty-names", {"commonName": {"value": "a"}}, csr(sans(), name=subject(attribute(CN, "a"))),
                "Approved", "Denied"),
        Example("other-keys", LAB, _koblitz(), "Error", "Denied", {"privateKey": {"minSize": 256}}),
        Example("expensive-rules", _ruled("self.matches('((a{1,30}){1,30}){1,30}') || true"), web,
                "Approved", "Invalid"),
        Example("long-values", {"commonName": {"validations": [{"rule": "self != ''"}]}},
                csr(name=subject(attribute(CN, "x" * 3000))), "Approved", "Denied"),
        Example("patterns-from-requesters", _ruled("'web.lab.test'.matches(self)"), web, "Approved",
                "Invalid"),
        Example("objects-in-rules", _ruled("has(cr.name)"), web, "Approved", "Invalid"),
        Example("nanoseconds", LAB, web, "Denied", "Approved", {"maxDuration": "1h"}, "1h0m0.000000001s"),
        Example("rule-engine", _ruled("(" * 100 + "true" + ")" * 100), web, "Approved", "Invalid"),
    ]  # fmt: skip


def example_cases() -> list[tuple[Example, Case]]:
    """Each example as a case with a policy and an issuer of its own."""
    return [
        (one, case_of(f"g{9000 + index}", one.allowed, one.pem, one.constraints, one.duration))
        for index, one in enumerate(examples())
    ]


def case_of(
    name: str,
    allowed: Mapping[str, Any],
    pem: bytes,
    constraints: Mapping[str, Any] | None = None,
    duration: str = "1h",
) -> Case:
    """A request with this CSR, and a policy for it alone."""
    spec: dict[str, Any] = {
        "selector": {"issuerRef": {"name": name}},
        "allowed": dict(allowed),
        "constraints": dict(constraints or {}),
    }
    request = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": f"{name}-r0", "namespace": "plain"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "issuerRef": {"name": name, "kind": "VaultIssuer", "group": "vault-issuer.io"},
            "username": "ann",
            "duration": duration,
            "groups": ["staff"],
        },
    }
    return Case(f"{name}-r0", {f"{name}-p0": spec}, request, {}, {f"{name}-p0": True})


def our_answer(case: Case) -> str:
    """Our verdict, or why there is none."""
    try:
        return decide(case).verdict.value
    except PolicyInvalid:
        return "Invalid"
    except InvalidRequest:
        return "Unreadable"
