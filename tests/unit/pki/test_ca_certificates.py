"""CAs that would be made with a subject that readers refuse, or imported without the usage that they need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.pki.file.reading import BOTH_PARTS, load_texts
from issuer.pki.plan.planning import plan_of
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input
from tests.pki.cas import root

NOW = datetime(2026, 11, 27, tzinfo=UTC)
MADE = """\
foundation:
  mounts: {{pki: {{tune: {{max_lease_ttl: 8760h}}}}}}
  authorities:
    home: {{mount: pki, subject: {{commonName: Home, {subject}}}, lifetime: 8760h}}
"""
IMPORTED = """\
foundation:
  mounts: {{pki: {{}}}}
  authorities:
    home: {{mount: pki, import: {{bundle: bundle.pem}}, settings: {{{settings}}}}}
"""
STANDING: dict[str, dict[str, Any]] = {
    "sys/mounts": {"pki/": {"type": "pki"}},
    "pki/keys/": {"key_info": {"k": {"key_name": "home"}}},
    "pki/issuers/": {"key_info": {"i": {"issuer_name": "home", "key_id": "k"}}},
}


def told(text: str, *chain: x509.Certificate, stands: bool = False) -> list[str]:
    """The contradictions of a plan, each without its line's number."""
    loaded = load_texts([("pki.yaml", text.encode())], {}, Path())
    given = replace(plan_input(loaded, BOTH_PARTS), chains={"home": chain} if chain else {})
    answers = STANDING if stands else {"sys/mounts": {}}
    reading = VaultReading({path: PathRead(one) for path, one in answers.items()})
    return [one.partition(" ")[2] for one in plan_of(given, reading, {}, NOW).contradictions]


@pytest.mark.parametrize(
    ("subject", "field"),
    [
        ("country: [Germany]", "country"),
        ("country: [de]", "country"),
        ("organization: ['']", "organization"),
        (f"organization: [{'x' * 65}]", "organization"),
        (f"locality: [{'x' * 129}]", "locality"),
        ("ou: [' a']", "ou"),
        ('province: ["a\\nb"]', "province"),
    ],
)
def test_a_subject_that_readers_refuse_is_told_before_a_ca_is_made(subject: str, field: str) -> None:
    (line,) = told(MADE.format(subject=subject))
    assert line.startswith(f"foundation.authorities.home.subject.{field}: must be ")
    assert told(MADE.format(subject=subject), stands=True) == []


def test_a_subject_within_its_bounds_is_taken() -> None:
    subject = f"country: [NO], organization: ['Foo, Inc.', Bär], locality: [{'x' * 128}]"
    assert told(MADE.format(subject=subject)) == []


def without_crls() -> x509.Certificate:
    """A root whose key usage leaves signing of CRLs out."""
    ca = root("Home")
    usage = ca.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    kept = {name: getattr(usage, f"_{name}") for name in ("digital_signature", "key_cert_sign")}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    builder = (
        x509.CertificateBuilder()
        .subject_name(ca.certificate.subject)
        .issuer_name(ca.certificate.subject)
        .public_key(ca.key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(**kept, **dict.fromkeys(others, False), encipher_only=False, decipher_only=False),
            critical=True,
        )
    )
    return builder.sign(ca.key, hashes.SHA256())


def test_a_bundle_that_may_sign_no_crl_needs_a_usage_without_it() -> None:
    (line,) = told(IMPORTED.format(settings=""), without_crls())
    assert line.startswith("foundation.authorities.home.settings.usage: the certificate's key usage lacks")
    usage = "usage: 'issuing-certificates,ocsp-signing,read-only'"
    assert told(IMPORTED.format(settings=usage), without_crls()) == []
    assert told(IMPORTED.format(settings=""), root("Home").certificate) == []
