"""What Vault normalises makes no difference; what differs does."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.pki.resources.values import same


@pytest.mark.parametrize(
    ("field", "wanted", "read"),
    [
        ("max_ttl", "72h", 259200),
        ("max_ttl", "3d", 259200),
        ("ttl", "90m", 5400),
        ("expiry", "72h", "72h"),
        ("expiry", "3d", "72h"),
        ("interval_duration", "12h", 43200),
        ("max_lease_ttl", 315360000, "87600h"),
        ("allowed_domains", "a.example,b.example", ["a.example", "b.example"]),
        ("allowed_domains", ["b.example", "a.example"], ["a.example", "b.example"]),
        ("allowed_domains", "a.example", ["a.example"]),
        ("usage", ["read-only", "crl-signing"], "crl-signing,read-only"),
        ("token_bound_cidrs", "127.0.0.1/32", ["127.0.0.1"]),
        ("secret_id_bound_cidrs", ["127.0.0.1"], ["127.0.0.1/32"]),
        ("token_bound_cidrs", ["10.0.0.0/8"], ["10.0.0.0/8"]),
        ("allow_subdomains", "true", True),
        ("country", "", []),
        ("country", [], None),
        ("key_bits", "256", 256),
        ("default", "", None),
        ("options", {"file_path": "/a"}, {"file_path": "/a"}),
        ("bound_claims", {}, None),
        ("allow_subdomains", "T", True),
        ("allow_subdomains", "0", False),
        ("description", "", None),
        ("description", "Root CA, of all ", "Root CA, of all"),
        ("issuing_certificates", "http://a, http://b", ["http://a", "http://b"]),
        ("manual_chain", ["self"], ["self"]),
    ],
)
def test_what_vault_normalises_is_the_same(field: str, wanted: Any, read: Any) -> None:
    assert same(field, wanted, read)


@pytest.mark.parametrize(
    ("field", "wanted", "read"),
    [
        ("max_ttl", "72h", 259201),
        ("allowed_domains", "a.example", ["a.example", "b.example"]),
        ("allow_any_name", False, True),
        ("allow_any_name", True, None),
        ("token_bound_cidrs", "127.0.0.1/8", ["127.0.0.1"]),
        ("key_type", "ec", "rsa"),
        ("key_bits", 0, 256),
        ("options", {"file_path": "/a"}, {"file_path": "/b"}),
        ("description", "a, b", "b,a"),
        ("description", "1h", "3600"),
        ("description", "a", "b"),
        ("manual_chain", ["self", "above"], ["above", "self"]),
        ("issuing_certificates", ["http://a", "http://b"], ["http://b", "http://a"]),
        ("ocsp_servers", "http://a,http://b", ["http://b", "http://a"]),
    ],
)
def test_what_differs_is_told(field: str, wanted: Any, read: Any) -> None:
    assert not same(field, wanted, read)
