"""Requests that try to get more than a policy allows, each beside a benign twin that it approves.

What would have happened is said at each: with approver-policy 0.27 and a CA that copies what it is given
(Vault's and OpenBao's `sign-verbatim` do, for key usages, extended key usages and extensions they don't
know), or with a lenient reader of the certificate.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from issuer.policy.evaluation import violations
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import read_request
from tests.unit.policy.forge import (
    BC,
    CLIENT_AUTH,
    CN,
    EVERYTHING,
    EXTENSION_REQUEST,
    OCSP_SIGNING,
    ORG,
    SAN,
    SERIAL,
    SERVER_AUTH,
    SKI,
    UPN,
    C,
    attribute,
    csr,
    dns,
    extended_key_usage,
    extension,
    extension_request,
    facts,
    key_usage,
    oid,
    other_name,
    policy,
    sans,
    sequence,
    subject,
    tlv,
    utf8,
)

LAB = {"dnsNames": {"values": ["*.lab.test"]}}
WEB = dns("web.lab.test")
TLS = ("digital signature", "key encipherment", "server auth")
SAN_PATH = "spec.allowed.subjectAltName"
CA_TRUE = extension(BC, sequence(b"\x01\x01\xff"), critical=True)


@dataclass(frozen=True)
class Attack:
    """`evil` is denied on `field`, and `good` approved, both by a policy that allows `allowed`."""

    name: str
    field: str
    allowed: dict[str, Any]
    evil: bytes
    good: bytes
    more: dict[str, Any] = dataclasses.field(default_factory=dict)


# fmt: off
ATTACKS = [
    # Extensions. The peer reads only the alternative names, so all of these were approved there.
    #
    # sign-verbatim and sign-intermediate would have made a CA of a team's web server.
    Attack("CA:TRUE without spec.isCA", "spec.allowed.isCA", LAB, csr(sans(WEB), CA_TRUE),
           csr(sans(WEB), extension(BC, sequence(), critical=True))),
    # basicConstraints in BER: a lenient reader takes 0x01 for TRUE, a strict one sees nothing.
    Attack("CA:TRUE in other bytes", "spec.allowed.isCA", LAB,
           csr(sans(WEB), extension(BC, sequence(b"\x01\x01\x01"))),
           csr(sans(WEB), extension(BC, sequence()))),
    # A certificate that may sign certificates, for verifiers that look at key usage alone.
    Attack("keyCertSign without spec.isCA", "spec.allowed.usages", LAB, csr(sans(WEB), key_usage(0xA4)),
           csr(sans(WEB), key_usage(0xA0))),
    # A server's certificate that also logs in as a client: `key_usage` given to Vault doesn't override it.
    Attack("client auth that spec.usages doesn't list", "spec.allowed.usages", {**LAB, "usages": list(TLS)},
           csr(sans(WEB), extended_key_usage(SERVER_AUTH, CLIENT_AUTH)),
           csr(sans(WEB), key_usage(0xA0), extended_key_usage(SERVER_AUTH)), {"usages": TLS}),
    # A certificate that signs OCSP answers for every certificate of its issuer.
    Attack("OCSP signing", "spec.allowed.usages", LAB, csr(sans(WEB), extended_key_usage(OCSP_SIGNING)),
           csr(sans(WEB))),
    # Marks the certificate as never to be checked for revocation; unknown to Vault, so copied.
    Attack("an extension unknown to policies", "spec.allowed.extensions[1.3.6.1.5.5.7.48.1.5]", LAB,
           csr(sans(WEB), extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")), csr(sans(WEB))),
    # A leaf with name constraints: clients differ in what they make of it; Vault's sign-verbatim copies them.
    Attack("name constraints", "spec.allowed.extensions[2.5.29.30]", LAB,
           csr(sans(WEB), extension("2.5.29.30", sequence(tlv(0xA0, sequence(tlv(0x82, b"lab.example")))))),
           csr(sans(WEB))),
    # A certificate that poses with the key identifier of the CA: chain builders pick candidates by it.
    Attack("another key's identifier", f"spec.allowed.extensions[{SKI}]", LAB,
           csr(sans(WEB), extension(SKI, tlv(0x04, bytes(20)))), csr(sans(WEB))),
    # A second place to ask for extensions, which Microsoft's CA and those that follow it honour.
    Attack("extensions in Microsoft's attribute", "spec.allowed.extensions", LAB,
           csr(attributes=[extension_request(sans(WEB)),
                           sequence(oid("1.3.6.1.4.1.311.2.1.14"), tlv(0x31, sequence(CA_TRUE)))]),
           csr(attributes=[extension_request(sans(WEB)),
                           sequence(oid("1.2.840.113549.1.9.7"), tlv(0x31, utf8("challenge")))])),
    # Alternative names.
    #
    # The user's name at Windows logon: whoever may have any DNS name could have been the administrator.
    Attack("a user principal name", f"spec.allowed.otherNames[{UPN}]", LAB,
           csr(sans(WEB, other_name(UPN, utf8("admin@corp.test")))), csr(sans(WEB))),
    # Bytes behind the value: the peer's parser stops after the first value, a reader from the end sees this.
    Attack("a second value inside an otherName", f"{SAN_PATH}.otherName",
           {"otherNames": [{"oid": UPN, "values": ["bob@corp.test"]}]},
           csr(sans(other_name(UPN, utf8("bob@corp.test"), utf8("admin@corp.test")))),
           csr(sans(other_name(UPN, utf8("bob@corp.test"))))),
    # A directoryName: software that maps certificates to accounts by it would have found another's.
    Attack("a directory name", f"{SAN_PATH}.directoryName", LAB,
           csr(sans(WEB, tlv(0xA4, subject(attribute(CN, "admin"))))), csr(sans(WEB))),
    Attack("a registered ID", f"{SAN_PATH}.registeredID", LAB,
           csr(sans(WEB, tlv(0x88, b"\x2a\x03"))), csr(sans(WEB))),
    # dNSName with the constructed bit: Go's parser skips it, a lenient one reads evil.test.
    Attack("a DNS name with another tag", SAN_PATH, LAB, csr(sans(WEB, tlv(0xA2, b"evil.test"))),
           csr(sans(WEB, dns("b.lab.test")))),
    # INTEGER 2 instead of [2]: cert-manager's parser, which looks at the number alone, takes it for a name.
    Attack("a name with a universal tag", SAN_PATH, LAB, csr(sans(WEB, tlv(0x02, b"\x01"))), csr(sans(WEB))),
    # The pattern matches all of it, and a verifier written in C reads bank.test.
    Attack("NUL in a DNS name", "spec.allowed.dnsNames", LAB, csr(sans(dns("bank.test\0.lab.test"))),
           csr(sans(dns("bank.test.lab.test")))),
    # A line end lets a name forge lines in logs and in files that list names.
    Attack("a line end in a common name", "spec.allowed.commonName", {"commonName": {"value": "*"}},
           csr(name=subject(attribute(CN, "web\nadmin"))), csr(name=subject(attribute(CN, "web admin")))),
    # The rule forbids admin., the host is the same, and TLS compares names without case.
    Attack("a forbidden name in upper case", "spec.allowed.dnsNames.validations[0]",
           {"dnsNames": {"validations": [{"rule": "!self.startsWith('admin.')"}]}},
           csr(sans(dns("ADMIN.lab.test"))), csr(sans(dns("WEB.lab.test")))),
    # The same by the dot that makes a name absolute.
    Attack("a forbidden name with a trailing dot", "spec.allowed.dnsNames.validations[0]",
           {"dnsNames": {"validations": [{"rule": "!self.endsWith('.internal')"}]}},
           csr(sans(dns("db.internal."))), csr(sans(dns("db.lab.test.")))),
    # Vault makes an alternative name of the common name.
    Attack("a forbidden host in the common name", "spec.allowed.commonName.validations[0]",
           {"commonName": {"validations": [{"rule": "!self.startsWith('admin.')"}]}},
           csr(name=subject(attribute(CN, "Admin.lab.test"))), csr(name=subject(attribute(CN, "Admin Ann")))),
    # A Unicode name in place of an A-label: readers differ in whether it is bücher or a lookalike.
    Attack("a Unicode DNS name", "spec.allowed.dnsNames", LAB, csr(sans(dns("bücher.lab.test"))),
           csr(sans(dns("xn--bcher-kva.lab.test")))),
    # Only IPv6 is allowed; Go and so Vault write this address as the four octets of 10.0.0.1.
    Attack("IPv4 inside IPv6", "spec.allowed.ipAddresses.values", {"ipAddresses": {"values": ["*:*"]}},
           csr(sans(tlv(0x87, bytes(10) + b"\xff\xff\x0a\0\0\1"))), csr(sans(tlv(0x87, bytes(15) + b"\1")))),
    # An address that some pad and some cut; Go gives up, and the peer gives no answer at all.
    Attack("an address of five octets", "spec.allowed.ipAddresses", {"ipAddresses": EVERYTHING},
           csr(sans(tlv(0x87, b"\x0a\0\0\1\0"))), csr(sans(tlv(0x87, b"\x0a\0\0\1")))),
    # Browsers read \ as /, so the host they see is evil.test.
    Attack("a URI that readers split differently", "spec.allowed.uris",
           {"uris": {"values": ["https://*.lab.test/*"]}},
           csr(sans(tlv(0x86, b"https://evil.test\\.lab.test/x"))),
           csr(sans(tlv(0x86, b"https://a.lab.test/x")))),
    # Lists of names are split at commas: one wildcard, and the certificate is read as bank.test's.
    Attack("two names in one", "spec.allowed.dnsNames", LAB, csr(sans(dns("bank.test,x.lab.test"))),
           csr(sans(dns("x.lab.test")))),
    Attack("a name that forges a list in quotes", "spec.allowed.dnsNames", LAB,
           csr(sans(dns("bank.test', DNS:b.test, .lab.test"))), csr(sans(dns("b.lab.test")))),
    Attack("a space in a name", "spec.allowed.dnsNames", LAB, csr(sans(dns("bank.test x.lab.test"))),
           csr(sans(dns("x-1.lab.test")))),
    # Some readers drop the empty label, some stop at it.
    Attack("an empty label", "spec.allowed.dnsNames", LAB, csr(sans(dns("a..lab.test"))),
           csr(sans(dns("a.a.lab.test.lab.test")))),
    Attack("two wildcards", "spec.allowed.dnsNames", LAB, csr(sans(dns("*.*.lab.test"))),
           csr(sans(dns("*.lab.test")))),
    # Good for every company under a public suffix.
    Attack("a wildcard with one label after it", "spec.allowed.dnsNames", {"dnsNames": EVERYTHING},
           csr(sans(dns("*.test"))), csr(sans(dns("*.lab.test")))),
    # Clients that look for an address take a DNS name for one; name constraints for addresses don't see it.
    Attack("an IP address as DNS name", "spec.allowed.dnsNames", {"dnsNames": EVERYTHING},
           csr(sans(dns("10.0.0.1"))), csr(sans(dns("10.lab.test")))),
    Attack("an IP address that only some read as one", "spec.allowed.dnsNames", {"dnsNames": EVERYTHING},
           csr(sans(dns("0x7f.1"))), csr(sans(dns("0x7f")))),
    Attack("a label that is too long", "spec.allowed.dnsNames", LAB, csr(sans(dns("a" * 64 + ".lab.test"))),
           csr(sans(dns("a" * 63 + ".lab.test")))),
    # A record of a service, such as the one that proves who owns a domain.
    Attack("an underscore nobody meant", "spec.allowed.dnsNames.values",
           {"dnsNames": {"values": ["*.lab.test", "_dmarc.*"]}}, csr(sans(dns("_acme-challenge.lab.test"))),
           csr(sans(dns("_dmarc.lab.test")))),
    Attack("an underscore where rules alone decide", "spec.allowed.dnsNames.values",
           {"dnsNames": {"validations": [{"rule": "self.endsWith('.lab.test')"}]}},
           csr(sans(dns("_dmarc.lab.test"))), csr(sans(dns("dmarc.lab.test")))),
    Attack("a path that ends as the pattern's host does", "spec.allowed.uris.values",
           {"uris": {"values": ["https://*.lab.test/*"]}},
           csr(sans(tlv(0x86, b"https://bank.test/.lab.test/x"))),
           csr(sans(tlv(0x86, b"https://a.lab.test/x")))),
    # A SPIFFE ID's reader that normalizes the path sees another service's identity.
    *(Attack(f"dot segments: {path}", "spec.allowed.uris", {"uris": {"values": ["spiffe://td/ns/shop/*"]}},
             csr(sans(tlv(0x86, b"spiffe://td/ns/shop/" + path.encode()))),
             csr(sans(tlv(0x86, b"spiffe://td/ns/shop/v1.2/..a"))))
      for path in ("../admin/sa/root", "%2e%2e/admin", "%252e%252e/admin", "..%2fadmin", "..%5cadmin",
                   "..;/admin", "a/..", "%c0%ae%c0%ae/admin", "%ef%bc%8e%ef%bc%8e/admin")),
    # Browsers leave out the third slash: the host is bank.test.
    Attack("a URI with an empty host", "spec.allowed.uris", {"uris": {"values": ["https://*.lab.test/*"]}},
           csr(sans(tlv(0x86, b"https:///bank.test/.lab.test/"))),
           csr(sans(tlv(0x86, b"https://x.lab.test/")))),
    Attack("a URI whose host is two", "spec.allowed.uris", {"uris": {"values": ["https://*.lab.test/*"]}},
           csr(sans(tlv(0x86, b"https://bank.test,x.lab.test/"))),
           csr(sans(tlv(0x86, b"https://x_1.lab.test/")))),
    Attack("a line end encoded in a URI", "spec.allowed.uris", {"uris": {"values": ["https://lab.test/*"]}},
           csr(sans(tlv(0x86, b"https://lab.test/%0d%0aHost:bank.test"))),
           csr(sans(tlv(0x86, b"https://lab.test/%20")))),
    # Mail programs that cut at the first @ see root@bank.test.
    *(Attack(f"a mail address: {address}", "spec.allowed.emailAddresses",
             {"emailAddresses": {"values": ["*@lab.test"]}}, csr(sans(tlv(0x81, address.encode()))),
             csr(sans(tlv(0x81, b"ann.lee+pki@lab.test"))))
      for address in ("root@bank.test@lab.test", '"root@bank.test"@lab.test', "<root@bank.test>@lab.test",
                      "root,ann@lab.test", "Ann <ann@lab.test", "@lab.test")),
    Attack("an address in the old place", "spec.allowed.subject.otherAttributes[1.2.840.113549.1.9.1]",
           {"subject": {"otherAttributes": [{"oid": "1.2.840.113549.1.9.1", "values": ["*@lab.test"]}]}},
           csr(name=subject(attribute("1.2.840.113549.1.9.1", tlv(0x16, b"root@bank.test@lab.test")))),
           csr(name=subject(attribute("1.2.840.113549.1.9.1", tlv(0x16, b"ann@lab.test"))))),
    *(Attack(f"the otherName {text}", f"spec.allowed.otherNames[{oid}]",
             {"otherNames": [{"oid": oid, "values": [pattern]}]},
             csr(sans(other_name(oid, utf8(text)))), csr(sans(other_name(oid, utf8(twin)))))
      for oid, pattern, text, twin in (
          ("1.3.6.1.5.5.7.8.5", "*@lab.test", "root@bank.test/x@lab.test", "root@lab.test"),
          ("1.3.6.1.5.5.7.8.5", "*@lab.test", "bank.test/x@lab.test", "ann@lab.test"),
          ("1.3.6.1.5.5.7.8.7", "*.lab.test", "_imap.bank.test,x.lab.test", "_imap.lab.test"),
          ("1.3.6.1.5.5.7.8.9", "*@lab.test", "r\u00e9@bank.test@lab.test", "r\u00e9@lab.test"),
      )),
    Attack("a user principal name with two @", f"spec.allowed.otherNames[{UPN}]",
           {"otherNames": [{"oid": UPN, "values": ["*@corp.test"]}]},
           csr(sans(other_name(UPN, utf8("admin@bank.test@corp.test")))),
           csr(sans(other_name(UPN, utf8("ann@corp.test"))))),
    # The same kinds in a common name, which old clients read as a host.
    Attack("a common name with an empty label", "spec.allowed.commonName", {"commonName": {"value": "*"}},
           csr(name=subject(attribute(CN, "a..lab.test"))), csr(name=subject(attribute(CN, "a. lab")))),
    Attack("a common name that is two", "spec.allowed.commonName.value",
           {"commonName": {"value": "*.lab.test"}}, csr(name=subject(attribute(CN, "bank.test,x.lab.test"))),
           csr(name=subject(attribute(CN, "x.lab.test")))),
    Attack("a common name of two addresses", "spec.allowed.commonName.value",
           {"commonName": {"value": "*@lab.test"}},
           csr(name=subject(attribute(CN, "root,ann@lab.test"))),
           csr(name=subject(attribute(CN, "ann@lab.test")))),
    Attack("an underscore in a common name", "spec.allowed.commonName.value",
           {"commonName": {"value": "*.lab.test"}}, csr(name=subject(attribute(CN, "_dmarc.lab.test"))),
           csr(name=subject(attribute(CN, "*.lab.test")))),
    # An empty list of names, forbidden by RFC 5280: some readers fall back to the common name, some don't.
    Attack("an empty list of names", SAN_PATH, {**LAB, "commonName": {"value": "a"}},
           csr(sans(), name=subject(attribute(CN, "a"))), csr(name=subject(attribute(CN, "a")))),
    Attack("an empty DNS name", "spec.allowed.dnsNames", {"dnsNames": EVERYTHING}, csr(sans(WEB, dns(""))),
           csr(sans(WEB))),
    # The subject.
    #
    # Kubernetes reads organizations as groups: this is system:masters, hidden in one relative name with the
    # common name.
    Attack("an organization in a multi-valued name", "spec.allowed.subject.organizations",
           {"commonName": {"value": "web"}},
           csr(name=subject([attribute(CN, "web"), attribute(ORG, "system:masters")])),
           csr(name=subject(attribute(CN, "web")))),
    # A library that keeps one common name shows the allowed one, another reader takes the other.
    Attack("a second common name", "spec.allowed.commonName.value", {"commonName": {"value": "web"}},
           csr(name=subject(attribute(CN, "admin"), attribute(CN, "web"))),
           csr(name=subject(attribute(CN, "web")))),
    # Shown as system:masters, and another group to whoever compares; or the other way round.
    *(Attack(f"an invisible character: {char!a}", "spec.allowed.subject.organizations",
             {"subject": {"organizations": EVERYTHING}},
             csr(name=subject(attribute(ORG, f"system:{char}masters"))),
             csr(name=subject(attribute(ORG, "Zürich 日本"))))
      for char in ("\u200b", "\u202e", "\u00ad", "\ufeff", "\u2028", "\u2029", "\u2066", "\U000e0041")),
    Attack("an invisible character in an otherName", f"spec.allowed.otherNames[{UPN}]",
           {"otherNames": [{"oid": UPN, "values": ["*@corp.test"]}]},
           csr(sans(other_name(UPN, utf8("adm\u200bin@corp.test")))),
           csr(sans(other_name(UPN, utf8("admin@corp.test"))))),
    Attack("a second serial number", "spec.allowed.subject.serialNumber.value",
           {"subject": {"serialNumber": {"value": "1"}}},
           csr(name=subject(attribute(SERIAL, "2"), attribute(SERIAL, "1"))),
           csr(name=subject(attribute(SERIAL, "1")))),
    # An attribute that no library names: the login of LDAP servers that map certificates by it.
    Attack("an attribute of another kind", "spec.allowed.subject.otherAttributes[0.9.2342.19200300.100.1.1]",
           {"commonName": {"value": "web"}},
           csr(name=subject(attribute(CN, "web"), attribute("0.9.2342.19200300.100.1.1", "root"))),
           csr(name=subject(attribute(CN, "web")))),
    # An organization as an OCTET STRING: libraries that list texts leave it out, the bytes are signed.
    Attack("an organization that is no text", "spec.allowed.subject.organizations",
           {"subject": {"organizations": {"values": ["lab"]}}},
           csr(name=subject(attribute(ORG, "lab"), attribute(ORG, tlv(0x04, b"system:masters")))),
           csr(name=subject(attribute(ORG, "lab")))),
    # T.61 and Latin-1 read these bytes as different characters, so what was allowed isn't what is seen.
    Attack("a TeletexString", "spec.allowed.subject.organizations",
           {"subject": {"organizations": EVERYTHING}},
           csr(name=subject(attribute(ORG, tlv(0x14, b"us$")))), csr(name=subject(attribute(ORG, "us$")))),
    Attack("a BMPString", "spec.allowed.commonName", {"commonName": {"value": "*"}},
           csr(name=subject(attribute(CN, tlv(0x1E, "web".encode("utf-16-be"))))),
           csr(name=subject(attribute(CN, "web")))),
    Attack("a country that is not allowed", "spec.allowed.subject.countries",
           {"subject": {"organizations": EVERYTHING}},
           csr(name=subject(attribute(C, tlv(0x13, b"DE")))),
           csr(name=subject(attribute(ORG, tlv(0x13, b"DE"))))),
    # A wildcard stands for text, and isn't itself matched: a request for a wildcard certificate is a name.
    Attack("a wildcard name", "spec.allowed.dnsNames.values", {"dnsNames": {"values": ["web.*.test"]}},
           csr(sans(dns("*.lab.test"))), csr(sans(dns("web.lab.test")))),
]
# fmt: on


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_denied_and_its_benign_twin_approved(attack: Attack) -> None:
    judge = policy(allowed={"usages": [], **attack.allowed})
    found = violations(judge, facts(attack.evil, **attack.more))
    assert {violation.field for violation in found} == {attack.field}
    assert violations(judge, facts(attack.good, **attack.more)) == ()


@pytest.mark.parametrize(
    "pem",
    [
        # Each of these makes Go's parser give up, so the peer errs, tries again, and answers nobody.
        csr(sans(dns("b\u00fccher.test"))),
        csr(sans(tlv(0x87, b"\1\2\3\4\5"))),
        csr(sans(tlv(0x86, b"http://[::1"))),
        csr(sans(tlv(0xA0, b"\x05\x00"))),
        csr(extension(BC, b"\x05\x00")),
        csr(extension("2.5.29.15", b"\x03\x00")),
        csr(extension("2.5.29.37", sequence(b"\x05\x00"))),
    ],
)
def test_what_cannot_be_decoded_is_denied(pem: bytes) -> None:
    everything = dict.fromkeys(("dnsNames", "ipAddresses", "uris", "emailAddresses"), EVERYTHING)
    judge = policy(allowed={**everything, "commonName": {"value": "*"}, "isCA": True})
    assert len(violations(judge, facts(pem))) == 1


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        # Go keeps the second of two alternative names apart, and a CA that reads the last one signs it.
        (csr(sans(WEB), sans(dns("evil.test"))), "an extension appears twice"),
        # Go joins both requests; a CA that reads only the second one signs other names than were judged.
        (csr(attributes=[extension_request(sans(WEB)), extension_request(CA_TRUE)]), "more than once"),
        (
            csr(
                attributes=[
                    sequence(oid(EXTENSION_REQUEST), tlv(0x31, sequence(sans(WEB)), sequence(CA_TRUE)))
                ]
            ),
            "can't be parsed",
        ),
    ],
)
def test_extensions_asked_for_twice_make_the_request_unreadable(pem: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read_request(pem)


@pytest.mark.parametrize(
    "pem",
    [
        csr(extension(SAN, b"\x30\x05\x82")),
        csr(extension(SAN, tlv(0x31, WEB))),
        csr(name=subject(attribute(CN, tlv(0x13, b"under_score")))),
        csr(name=tlv(0x31)),
    ],
)
def test_what_is_not_der_at_all_is_not_read(pem: bytes) -> None:
    """So it never comes to a policy: such a request fails. The peer errs, tries again, and answers nobody."""
    with pytest.raises(InvalidRequest):
        read_request(pem)


def test_the_csrs_of_cert_manager_pass() -> None:
    """It writes usages, and basicConstraints for a CA, as the request's spec has them."""
    leaf = csr(sans(WEB), key_usage(0xA0), extended_key_usage(SERVER_AUTH))
    authority = csr(sans(WEB), key_usage(0xA4), CA_TRUE)
    judge = policy(allowed={**LAB, "isCA": True, "usages": [*TLS, "cert sign"]})
    assert violations(judge, facts(leaf, usages=TLS)) == ()
    assert violations(judge, facts(authority, is_ca=True)) == ()
    assert violations(judge, facts(csr(sans(WEB), key_usage(0xA0)))) == (), "the default usages"
    (violation,) = violations(judge, facts(csr(sans(WEB), key_usage(0x80 | 0x08)), usages=TLS))
    assert violation.message == 'the CSR asks for "key agreement", which spec.usages doesn\'t list'
