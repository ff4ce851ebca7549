"""Each code of the lint of CA certificates, by a certificate with that fault; names within constraints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from issuer.root.certificates.constraints import name_bounds, wider_than
from issuer.root.certificates.lint import LintCode, lint
from tests.rsa_keys import rsa_key
from tests.unit.root.support import DAY, NOW, new_root, subject

LEDGER, KEY = new_root(nameConstraints={"permitted": {"dnsNames": ["example.test"]}})
OWN = ec.generate_private_key(ec.SECP256R1())
NAME = subject("Environment CA")
BASIC = x509.BasicConstraints(ca=True, path_length=0)
USAGE = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
MORE = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
NO_CRLS = x509.KeyUsage(False, False, False, False, False, True, False, False, False)


@dataclass(frozen=True)
class Fields:
    """Fields of a CA certificate; as they are here nothing is wrong with it."""

    subject: x509.Name = NAME
    issuer: x509.Name = LEDGER.root.subject
    key: Any = OWN
    serial: int = 1 << 100
    begin: datetime = NOW
    end: datetime = NOW + 365 * DAY
    basic: x509.BasicConstraints | None = BASIC
    usage: x509.KeyUsage | None = USAGE
    subject_key_id: bool = True
    authority_key_id: Any = KEY
    names: x509.NameConstraints | None = None
    urls: str | None = "http://pki.example.test/root.crl"
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    digest: hashes.HashAlgorithm | None = None
    critical: bool = True

    def signed(self) -> x509.Certificate:
        """Sign it with the root's key, whatever it is."""
        builder = x509.CertificateBuilder().subject_name(self.subject).issuer_name(self.issuer)
        builder = builder.public_key(self.key.public_key()).serial_number(self.serial)
        builder = builder.not_valid_before(self.begin).not_valid_after(self.end)
        for extension, critical in self._extensions():
            builder = builder.add_extension(extension, critical)
        return builder.sign(KEY, self.digest or hashes.SHA256())  # type: ignore[arg-type]

    def _extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        found: list[tuple[x509.ExtensionType | None, bool]] = [
            (self.basic, self.critical),
            (self.usage, True),
            (self.names, True),
            *self.extra,
        ]
        if self.subject_key_id:
            found.append((x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False))
        if self.authority_key_id is not None:
            above = self.authority_key_id.public_key()
            found.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(above), False))
        if self.urls is not None:
            point = x509.DistributionPoint([x509.UniformResourceIdentifier(self.urls)], None, None, None)
            found.append((x509.CRLDistributionPoints([point]), False))
        return [(one, critical) for one, critical in found if one is not None]


def named(oid: x509.ObjectIdentifier, text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text, _validate=False)])


FAULTS: list[tuple[LintCode, dict[str, Any]]] = [
    (LintCode.AUTHORITY_KEY_ID, {"authority_key_id": None}),
    (LintCode.AUTHORITY_KEY_ID, {"authority_key_id": OWN}),
    (LintCode.BASIC_CONSTRAINTS, {"basic": None}),
    (LintCode.BASIC_CONSTRAINTS, {"basic": x509.BasicConstraints(ca=False, path_length=None)}),
    (LintCode.COUNTRY, {"subject": named(NameOID.COUNTRY_NAME, "de")}),
    (LintCode.CRITICAL, {"critical": False}),
    (LintCode.DIGEST, {"digest": hashes.SHA224()}),
    (LintCode.EMPTY_SUBJECT, {"subject": x509.Name([])}),
    (
        LintCode.EXTENSION,
        {"extra": ((x509.SubjectAlternativeName([x509.DNSName("a.example.test")]), False),)},
    ),
    (LintCode.ISSUER_NAME, {"issuer": subject("Another Root")}),
    (LintCode.KEY, {"key": rsa_key(1024)}),
    (LintCode.KEY, {"key": ec.generate_private_key(ec.SECP256K1())}),
    (LintCode.KEY_USAGE, {"usage": None}),
    (LintCode.KEY_USAGE, {"usage": MORE}),
    (LintCode.KEY_USAGE, {"usage": NO_CRLS}),
    (LintCode.NAME_CONSTRAINTS, {"names": x509.NameConstraints([x509.DNSName("other.test")], None)}),
    (LintCode.NAME_CONSTRAINTS, {"names": x509.NameConstraints([x509.DNSName(".example.test")], None)}),
    (LintCode.NAME_LENGTH, {"subject": named(NameOID.ORGANIZATION_NAME, "x" * 65)}),
    (LintCode.OUTLIVES_ISSUER, {"end": NOW + 21 * 365 * DAY}),
    (LintCode.OUTLIVES_ISSUER, {"begin": NOW - DAY}),
    (LintCode.PATH_LENGTH, {"basic": x509.BasicConstraints(ca=True, path_length=2)}),
    (LintCode.PATH_LENGTH, {"basic": x509.BasicConstraints(ca=True, path_length=None)}),
    (LintCode.SELF_ISSUED, {"subject": LEDGER.root.subject}),
    (LintCode.SERIAL, {"serial": 7}),
    (LintCode.SUBJECT_KEY_ID, {"subject_key_id": False}),
    (LintCode.URL, {"urls": "https://pki.example.test/root.crl"}),
    (LintCode.URL, {"urls": "ldap://pki.example.test/root.crl"}),
]


def codes(fields: Fields) -> set[LintCode]:
    return {one.code for one in lint(fields.signed(), LEDGER.root)}


def test_nothing_is_wrong_with_the_certificate_that_has_no_fault() -> None:
    assert codes(Fields()) == set()


@pytest.mark.parametrize(
    ("code", "fault"), FAULTS, ids=[f"{code}-{next(iter(fault))}" for code, fault in FAULTS]
)
def test_each_fault_has_its_code(code: LintCode, fault: dict[str, Any]) -> None:
    assert code in codes(replace(Fields(), **fault))


def test_a_lifetime_without_an_end_is_found_in_a_root_as_well() -> None:
    endless = replace(Fields(), subject=LEDGER.root.subject, key=KEY, end=datetime(9999, 6, 1, tzinfo=UTC))
    assert LintCode.LIFETIME in {one.code for one in lint(endless.signed())}


def test_every_code_is_tried_here() -> None:
    # The library makes no certificate of another version, so that none can be tried.
    assert {code for code, _ in FAULTS} | {LintCode.LIFETIME, LintCode.VERSION} == set(LintCode)


INSIDE: list[tuple[str, str, bool]] = [
    ("DNS:example.test", "DNS:example.test", True),
    ("DNS:example.test", "DNS:a.example.test", True),
    ("DNS:example.test", "DNS:notexample.test", False),
    ("DNS:a.example.test", "DNS:example.test", False),
    ("DNS:example.test", "IP:10.0.0.0/8", True),  # a form that the root doesn't constrain
    ("IP:10.0.0.0/8", "IP:10.1.0.0/16", True),
    ("IP:10.1.0.0/16", "IP:10.0.0.0/8", False),
    ("IP:0.0.0.0/0", "IP:2001:db8::/32", False),
    ("IP:2001:db8::/32", "IP:2001:db8:1::/48", True),
    ("mail:example.test", "mail:a@example.test", True),
    ("mail:example.test", "mail:a@b.example.test", False),
    ("mail:.example.test", "mail:b.example.test", True),
    ("mail:a@example.test", "mail:b@example.test", False),
    ("mail:a@example.test", "mail:example.test", False),
    ("URI:example.test", "URI:a.example.test", False),
    ("URI:.example.test", "URI:a.example.test", True),
]


@pytest.mark.parametrize(("root", "below", "fits"), INSIDE)
def test_names_of_a_ca_lie_inside_those_of_its_root(root: str, below: str, fits: bool) -> None:
    def wider(above: x509.NameConstraints | None) -> list[str]:
        return list(wider_than(name_bounds([below], []).extension(), above))

    assert wider(name_bounds([root], []).extension()) == ([] if fits else [below])
    same_form = root.partition(":")[0] == below.partition(":")[0]
    assert wider(name_bounds([], [root]).extension()) == ([below] if fits and same_form else [])


def test_an_rsa_root_of_4096_bits_signs_and_makes_crls() -> None:
    from issuer.root.ceremony.crls import make_crl, plan_crl
    from issuer.root.ceremony.file import CRLWish
    from issuer.root.ceremony.signing import plan_signing, sign
    from issuer.root.certificates.keys import KeyKind, make_key
    from issuer.root.certificates.requests import read_ca_request
    from tests.unit.root.support import csr, sign_wish

    key = make_key(KeyKind.RSA_4096)
    ledger, _ = new_root(key)
    ledger = sign(plan_signing(ledger, read_ca_request(csr()), sign_wish(), NOW), ledger, key, NOW)
    assert lint(ledger.signed[0].certificate, ledger.root) == ()
    ledger = make_crl(plan_crl(ledger, CRLWish(), NOW), ledger, key)
    assert ledger.crl is not None
    assert ledger.crl.is_signature_valid(ledger.public_key)
    assert isinstance(ledger.public_key, rsa.RSAPublicKey)
    assert ledger.public_key.key_size == 4096
