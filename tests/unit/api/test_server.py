"""Telling servers apart by an issuer's spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.api.server import server_of


@pytest.mark.parametrize(
    ("server", "found"),
    [
        ("https://Vault.Example.Test", "vault.example.test:443"),
        ("https://vault.example.test./v1/../path?x#y", "vault.example.test:443"),
        (" http://vault.example.test", "vault.example.test:80"),
        ("https://user:secret@vault.example.test:8200", "vault.example.test:8200"),
        ("https://[::ffff:10.0.0.1]:8200", "10.0.0.1:8200"),
        ("https://[2001:DB8:0::1]", "2001:db8::1:443"),
        ("https://vault:99999", ""),
        ("https://[half", ""),
        ("vault.example.test", ""),
        ("", ""),
    ],
)
def test_a_server_has_one_spelling(server: str, found: str) -> None:
    assert server_of({"vault": {"server": server}}) == found


@given(st.text())
def test_whatever_is_written_there_is_no_error(server: str) -> None:
    assert isinstance(server_of({"vault": {"server": server}}), str)


@pytest.mark.parametrize(
    "spec", [{}, {"vault": None}, {"vault": "x"}, {"vault": {}}, {"other": {"server": "x"}}]
)
def test_a_spec_without_a_server_has_none(spec: dict[str, object]) -> None:
    assert server_of(spec) == ""
