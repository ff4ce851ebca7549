"""What is known of issuers, and what those of one namespace may take together."""

from __future__ import annotations

import asyncio

import pytest

from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.tls_memory import MAX_TLS
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
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


def test_a_check_of_another_generation_forgets_what_was_known() -> None:
    registry = IssuerRegistry(lambda _key: None)
    registry.begin_check(key("one"), "uid-1", 1)
    registry.approval_checked(key("one"), may_approve=False)
    registry.status_refused(key("one"), "refused")
    same = registry.begin_check(key("one"), "uid-1", 1)
    assert (same.reason, same.refused) == ("StatusWriteRefused", "refused")
    changed = registry.begin_check(key("one"), "uid-1", 2)
    assert (changed.reason, changed.refused, changed.ready) == ("Pending", None, False)


def test_a_status_that_is_accepted_has_the_issuer_checked_only_after_a_refusal() -> None:
    registry = IssuerRegistry(lambda _key: None)
    registry.begin_check(key("one"), "uid-1", 1)
    assert not registry.status_accepted(key("one"))
    registry.status_refused(key("one"), "refused")
    assert registry.status_accepted(key("one"))
    assert not registry.status_accepted(key("one"))


def test_a_request_that_found_an_issuer_broken_does_not_go_first_again() -> None:
    """Many of them would hold up all others: each breaks it again."""
    woken: list[RequestKey] = []
    registry = IssuerRegistry(woken.append)
    bad, good = [RequestKey("team-a", f"r{number}") for number in range(3)], RequestKey("team-b", "one")
    registry.begin_check(key("one"), "uid-1", 1)
    for request in (*bad, good):
        registry.wait(key("one"), request)
        if request != good:
            registry.half_open(key("one"), request)
    registry.mark_ready(key("one"))
    assert woken == [good]
    registry.settled(good)
    assert woken == [good, bad[0]], "where there is no other"


def test_nothing_is_kept_of_an_issuer_that_went_while_a_request_was_signed() -> None:
    registry = IssuerRegistry(lambda _key: None)
    registry.half_open(key("gone"), RequestKey("team-a", "one"))
    registry.approval_checked(key("gone"), may_approve=False)
    assert registry.find(key("gone")) is None
