"""What the issuers of one namespace may take together."""

from __future__ import annotations

import asyncio

import pytest

from issuer.controller.state.issuers import MAX_TLS, IssuerRegistry
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import MemoryUse
from issuer.signing.outcomes import IssuerBroken


def key(name: str, namespace: str = "team-a") -> IssuerKey:
    return IssuerKey("VaultIssuer" if namespace else "VaultClusterIssuer", namespace, name)


def test_what_the_tls_of_a_namespaces_issuers_takes_is_bounded() -> None:
    registry = IssuerRegistry(lambda _key: None)
    half = MAX_TLS // 2
    registry.use_tls(key("one"), MemoryUse("a", half))
    registry.use_tls(key("two"), MemoryUse("b", half))
    for number in range(3):
        registry.use_tls(key(f"shares-{number}"), MemoryUse("a", half))
    with pytest.raises(IssuerBroken, match="team-a would take more than 32 MiB") as caught:
        registry.use_tls(key("three"), MemoryUse("c", 1))
    assert caught.value.reason == "InvalidConnection"
    registry.use_tls(key("three", "team-b"), MemoryUse("c", 1))
    for name in ("one", "two"):
        registry.use_tls(key(name, ""), MemoryUse(name, MAX_TLS))
    registry.use_tls(key("two"), MemoryUse("c", half))  # in the place of its own
    asyncio.run(registry.forget(key("two")))
    registry.use_tls(key("three"), MemoryUse("d", half))
