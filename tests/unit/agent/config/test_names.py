"""Names of `agent.yaml` that no certificate can have are refused, each with its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.agent.config.reading import load_agent_file
from tests.unit.agent.config.test_reading import GOOD, refused

NAMES = "dnsNames: [web.example.com]"


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("dnsNames", ["", "a,b.example.com", "a b", "a..b", "-a.example.com", "*.*.example.com", "a" * 64]),
        ("ipAddresses", ["", "1.2.3", "fe80::1%a,b"]),
        ("uris", ["", "notauri", "https://a,b", "https://a b", "1a:b"]),
        ("emailAddresses", ["", "x", "@example.com", "a@", "a@b@", "a,b@example.com"]),
    ],
)
def test_each_bad_name_is_told_with_its_field(tmp_path: Path, field: str, names: list[str]) -> None:
    found = refused(tmp_path, GOOD.replace(NAMES, f"commonName: x\n  {field}: {names!r}"))
    for number, name in enumerate(names):
        assert f'agent.yaml:9 certificates.0.{field}.{number}: "{name}" is not ' in found


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("192.0.2.1", "is an IP address, which clients look for as such alone: write it in ipAddresses"),
        ("2001:db8::1", "is an IP address"),
        ("web.example.com.", "ends with a dot, as no name in a certificate does"),
    ],
)
def test_name_that_no_client_finds_is_refused(tmp_path: Path, name: str, told: str) -> None:
    found = refused(tmp_path, GOOD.replace(NAMES, f"dnsNames: ['{name}']"))
    assert f'certificates.0.dnsNames.0: "{name}" {told}' in found


def test_usual_names_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    given = """dnsNames: [localhost, "*.example.com", xn--bcher-kva.example.com, _sip.example.com]
  ipAddresses: [192.0.2.1, "2001:db8::1"]
  uris: ["spiffe://example.com/ns/a/sa/b", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]
  emailAddresses: [web+a@example.com]"""
    path.write_text(GOOD.replace(NAMES, given))
    assert len(load_agent_file(str(path)).certificates[0].dns_names) == 4
