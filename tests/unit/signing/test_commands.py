"""Commands that are shown to be pasted."""

from __future__ import annotations

import pytest

from issuer.signing.commands import look_at_tls


@pytest.mark.parametrize(
    ("server", "name", "words"),
    [
        ("https://vault.example.com:8200", "", "vault.example.com:8200"),
        ("https://ca.example.com", "", "ca.example.com:443"),
        ("https://ca.example.com/", "vault", "ca.example.com:443 --server-name vault"),
        ("https://[fd00::1]", "", "'[fd00::1]:443'"),
        ("https://[fd00::1]:8200", "", "'[fd00::1]:8200'"),
        ("https://user:secret@10.0.0.1", "a b", "10.0.0.1:443 --server-name 'a b'"),
        ("https://[fd00::1", "", "'[fd00::1'"),
        ("https://vault[a]:8200/ui?b#c", "", "'vault[a]:8200'"),
    ],
)
def test_a_server_is_looked_at_by_host_and_port(server: str, name: str, words: str) -> None:
    """An address that can't be read has one, too: `explain` shows the parts of such an issuer."""
    assert look_at_tls(server, name) == f"vault-issuer verify endpoint {words}"
