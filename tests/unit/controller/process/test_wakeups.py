"""Looks after a change: at those it is about, and at nobody else."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from issuer.controller.process import wakeups
from issuer.controller.process.wakeups import Wakeups
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.telemetry.metrics import Metrics

ISSUERS = [
    IssuerKey("VaultIssuer", "team-a", "one"),
    IssuerKey("VaultIssuer", "team-b", "one"),
    IssuerKey("VaultClusterIssuer", "", "all"),
]


class Forgotten:
    """Permissions, and of which namespaces the answers were forgotten; "" for all."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def clear(self) -> None:
        self.told.add("")

    def clear_in(self, namespace: str) -> None:
        self.told.add(namespace)


@pytest.mark.parametrize(
    ("namespace", "requests", "issuers"),
    [
        ("team-a", {"team-a"}, ISSUERS[:1]),
        ("home", set(), ISSUERS[2:]),
        ("elsewhere", set(), []),
        ("", {"team-a", "team-b"}, ISSUERS),
    ],
)
async def test_rights_that_change_in_a_namespace_have_its_own_looked_at_alone(
    monkeypatch: pytest.MonkeyPatch, namespace: str, requests: set[str], issuers: list[IssuerKey]
) -> None:
    """Whoever may write Roles in one namespace must not hold up what is signed in all others."""
    monkeypatch.setattr(wakeups, "_SETTLES", 0.0)
    woken: list[RequestKey] = []
    checked: set[IssuerKey] = set()
    forgotten, unprocessed = Forgotten(), UnprocessedRequests(woken.append)
    for place in ("team-a", "team-b"):
        unprocessed.add(RequestKey(place, "waits"), place)
    state = SimpleNamespace(unprocessed=unprocessed, known_issuers=lambda: ISSUERS)
    queues = SimpleNamespace(issuers=SimpleNamespace(add=checked.add))
    made = Wakeups(cast(Any, None), Metrics(), home="home")
    made.connect(cast(Any, state), cast(Any, queues), cast(Any, forgotten), cast(Any, None))
    made.rbac(namespace)
    await asyncio.sleep(0.01)
    assert forgotten.told == {namespace}
    assert {one.namespace for one in woken} == requests
    assert checked == set(issuers)


async def test_an_issuer_that_changes_without_end_has_policies_looked_at_at_a_pace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakeups, "_SETTLES", 0.0)
    rounds: list[str] = []
    state = SimpleNamespace(
        policies=SimpleNamespace(known=lambda: ["p"]),
        issuers={"VaultIssuer": SimpleNamespace(get=lambda _key: {})},
        revocations=SimpleNamespace(of_issuer=lambda _key: []),
    )
    queues = SimpleNamespace(
        issuers=SimpleNamespace(add=lambda _key: None, forget=lambda _key: None),
        policies=SimpleNamespace(add=rounds.append),
    )
    made = Wakeups(cast(Any, None), Metrics())
    made.connect(cast(Any, state), cast(Any, queues), cast(Any, None), cast(Any, None))
    for _ in range(5):
        made.issuer(ISSUERS[0])
        await asyncio.sleep(0.01)
    assert rounds == ["p"]
    assert made._selecting is not None
    made._selecting.cancel()
