"""aiohttp's own TLS contexts read the system's CA certificates when they are used, not at the start.

cli/test_imports.py looks at the starts of the controller and of an agent.
"""

from __future__ import annotations

import ssl

import pytest

from issuer.late_roots import LateRootsContext, _put_off


@pytest.fixture
def late() -> ssl.SSLContext:
    with _put_off():
        return ssl.create_default_context()


def test_a_first_connection_reads_them(late: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ssl.SSLContext] = []

    def noted(context: ssl.SSLContext) -> None:
        read.append(context)

    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", noted)
    assert isinstance(late, LateRootsContext)
    for _ in range(2):
        late.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="ca.example.com")
    assert read == [late]


def test_they_are_those_of_a_context_that_is_made_as_ever(late: ssl.SSLContext) -> None:
    late.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="ca.example.com")
    usual = ssl.create_default_context()
    assert late.cert_store_stats() == usual.cert_store_stats()
    assert (late.verify_mode, late.check_hostname) == (usual.verify_mode, usual.check_hostname)


def test_contexts_made_later_read_them_at_once(late: ssl.SSLContext) -> None:
    assert type(ssl.create_default_context()) is ssl.SSLContext
    assert "set_default_verify_paths" not in vars(ssl.SSLContext)
