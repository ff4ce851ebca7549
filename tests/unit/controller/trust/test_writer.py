"""Writes of ConfigMaps: refusals are told once and tried again, and edits can't have all turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.trust.claims import read_claim
from issuer.controller.trust.ledger import Ledger, Target
from issuer.controller.trust.objects import SeenStore
from issuer.controller.trust.reasons import LeftOut, LeftOutCause
from issuer.controller.trust.repeats import PEACE, REST
from issuer.controller.trust.roots import Roots
from issuer.controller.trust.writer import CONFLICTS, CONTESTED, NOT_OURS, STUCK, TrustWriter
from issuer.kube.client import KubeClient
from issuer.kube.errors import AlreadyExists, Conflict, Forbidden, NamespaceTerminating, QuotaExceeded
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from tests.builders import issuer_object
from tests.unit.controller.fakes import ScriptedKube
from tests.unit.virtual_time import SetClock

KEY = IssuerKey("VaultClusterIssuer", "", "demo")
TARGET = Target("roots", "team-a")


class Desk:
    """A writer with one issuer, whose roots are known, and one namespace."""

    def __init__(self) -> None:
        self.kube, self.clock = ScriptedKube(), SetClock()
        self.queue: WorkQueue[Target] = WorkQueue()
        self.news: list[str] = []
        self.leading = True
        self.store = SeenStore("namespace", lambda _namespace: None, lambda: None)
        self.store.begin()
        self.store.end()
        self.namespaces = NamespaceStore(lambda _name: None)
        self.namespaces.upsert({"metadata": {"name": "team-a", "uid": "u"}})
        self.ledger = Ledger(self.namespaces, {"roots": self.store})
        wanted = {"configMap": {"name": "roots", "namespaceSelector": {}}}
        claim = read_claim(KEY, issuer_object(trust=wanted))
        assert claim is not None
        self.ledger.claims.set(KEY, claim)
        self.ledger.keep_roots(claim, Roots("PEM", 1, "00"))
        client = cast(KubeClient, self.kube)
        self.writer = TrustWriter(
            client, self.ledger, self.queue, lambda: self.leading, self.news.append, self.clock
        )

    async def look(self) -> None:
        self.ledger.begin(TARGET)
        await self.writer.reconcile(TARGET)

    def edited(self, version: int) -> None:
        """Somebody changes what is there."""
        meta = {
            "name": "roots",
            "namespace": "team-a",
            "uid": "u",
            "labels": {"vault-issuer.io/trust": "roots"},
        }
        self.store.upsert({"metadata": {**meta, "resourceVersion": str(version)}, "data": {"ca.crt": "mine"}})


def stored(version: int) -> Any:
    """What the API server answers to a write."""

    def answer(sent: Object) -> Object:
        meta = {**sent["metadata"], "uid": "u", "resourceVersion": str(version)}
        return {**sent, "metadata": meta}

    return answer


@pytest.fixture
def desk() -> Iterator[Desk]:
    one = Desk()
    yield one
    one.queue.close()
    assert not one.kube.script


async def test_one_write_a_change(desk: Desk) -> None:
    desk.kube.expect("create", stored(1))
    await desk.look()
    await desk.look()
    assert desk.ledger.is_settled("roots")
    desk.leading = False
    desk.edited(2)
    await desk.look()


async def test_what_was_made_for_an_issuer_that_is_gone_is_removed_later(desk: Desk) -> None:
    desk.kube.expect("create", stored(1))
    await desk.look()
    desk.ledger.claims.drop(KEY)
    await desk.look()
    assert desk.queue.delayed == 1


async def test_a_refusal_is_told_to_the_issuer_and_tried_again(desk: Desk) -> None:
    for _ in range(2):
        desk.kube.expect("create", Forbidden("not by this policy", status=403))
        await desk.look()
    assert desk.ledger.trouble("roots") == {"team-a": LeftOut(LeftOutCause.REFUSED, "not by this policy")}
    assert desk.queue.failures(TARGET) == 2
    desk.kube.expect("create", stored(1))
    await desk.look()
    assert desk.ledger.trouble("roots") == {}
    assert desk.queue.failures(TARGET) == 0


async def test_a_full_quota_is_told_apart_as_the_namespace_can_mend_it(desk: Desk) -> None:
    desk.kube.expect("create", QuotaExceeded("exceeded quota: few", status=403))
    await desk.look()
    assert desk.ledger.trouble("roots")["team-a"].cause is LeftOutCause.QUOTA


async def test_a_namespace_that_ends_is_no_trouble(desk: Desk) -> None:
    desk.kube.expect("create", NamespaceTerminating("it is being deleted", status=403))
    await desk.look()
    assert desk.ledger.trouble("roots") == {}
    desk.namespaces.upsert({"metadata": {"name": "team-a", "uid": "u", "deletionTimestamp": "now"}})
    await desk.look()


async def test_trouble_of_a_namespace_that_is_gone_is_forgotten(desk: Desk) -> None:
    desk.kube.expect("create", Forbidden("not by this policy", status=403))
    await desk.look()
    desk.namespaces.drop("team-a")
    assert desk.ledger.trouble("roots") == {}


async def test_what_came_meanwhile_is_looked_at_again(desk: Desk) -> None:
    desk.kube.expect("create", AlreadyExists("there", status=409))
    await desk.look()
    assert not desk.ledger.is_settled("roots")
    assert desk.queue.delayed == 1


async def test_edits_are_mended_at_once_and_then_at_a_pace(desk: Desk) -> None:
    desk.kube.expect("create", stored(1))
    await desk.look()
    desk.edited(2)
    desk.kube.expect("replace", stored(3))
    await desk.look()
    assert desk.kube.replaced[0]["metadata"]["resourceVersion"] == "2"
    desk.edited(4)
    await desk.look()
    assert desk.queue.delayed == 1
    desk.clock.now += REST
    desk.kube.expect("replace", stored(5))
    await desk.look()


async def test_who_never_stops_editing_is_told_and_holds_nothing_up(desk: Desk) -> None:
    """Neither is the condition held up, nor does it change with each write, until it was left alone."""
    desk.kube.expect("create", stored(1))
    await desk.look()
    for version in (2, 4, 6, 8):
        desk.edited(version)
        if version > 2:
            await desk.look()
            assert desk.ledger.is_settled("roots")
            assert desk.ledger.trouble("roots") == {"team-a": CONTESTED}
            desk.clock.now += REST
        desk.kube.expect("replace", stored(version + 1))
        await desk.look()
    assert desk.ledger.trouble("roots") == {"team-a": CONTESTED}
    desk.clock.now += PEACE
    await desk.look()
    assert desk.ledger.trouble("roots") == {}


async def test_who_edits_faster_than_it_is_written_holds_nothing_up(desk: Desk) -> None:
    """Each write meets a newer copy: no condition waits for it, and it has no turns of others."""
    for number in range(CONFLICTS + 1):
        desk.edited(number)
        desk.kube.expect("replace", Conflict("it was modified", status=409))
        await desk.look()
        assert desk.ledger.is_settled("roots") == (number + 1 >= CONFLICTS)
    assert desk.ledger.trouble("roots") == {"team-a": CONTESTED}
    await desk.look()  # nothing is written
    desk.clock.now += REST
    desk.kube.expect("replace", stored(9))
    await desk.look()
    desk.clock.now += PEACE
    await desk.look()
    assert desk.ledger.trouble("roots") == {}


async def test_before_all_are_listed_nothing_is_written(desk: Desk) -> None:
    desk.store.listed = False
    await desk.look()
    desk.store.begin()
    desk.store.add({"metadata": {"name": "roots", "namespace": "team-a", "uid": "x"}, "data": {}})
    desk.store.end()
    await desk.look()
    assert desk.ledger.trouble("roots")["team-a"] == NOT_OURS


def test_events_from_before_our_own_write_are_left_out(desk: Desk) -> None:
    desk.edited(5)
    before = desk.store.get("team-a")
    desk.edited(4)
    assert desk.store.get("team-a") == before
    desk.store.begin()  # as after a restore of etcd
    desk.edited(4)
    desk.store.end()
    assert desk.store.get("team-a") is None
    desk.edited(4)
    desk.store.remove({"metadata": {"namespace": "team-a"}})
    assert desk.store.get("team-a") is None


def left_immutable(desk: Desk, version: int, **more: Any) -> None:
    """Somebody writes what can't be changed, and says that we made it."""
    ours = {
        "labels": {"vault-issuer.io/trust": "roots"},
        "annotations": {"vault-issuer.io/trust-issuer": str(KEY)},
    }
    meta = {"name": "roots", "namespace": "team-a", "uid": f"u{version}", **ours, **more}
    desk.store.upsert(
        {
            "metadata": {**meta, "resourceVersion": str(version)},
            "data": {"ca.crt": "mine"},
            "immutable": True,
        }
    )


@pytest.mark.parametrize("wanted", [True, False])
async def test_what_is_removed_again_and_again_is_removed_at_a_pace(desk: Desk, wanted: bool) -> None:
    """With another to be in its place, and with none."""
    if not wanted:
        desk.ledger.claims.set(KEY, None)
    for version in (1, 2):
        left_immutable(desk, version)
        desk.kube.expect("delete", {})
        await desk.look()
    left_immutable(desk, 3)
    await desk.look()
    assert desk.ledger.trouble("roots") == {"team-a": CONTESTED}
    desk.clock.now += REST
    desk.kube.expect("delete", {})
    await desk.look()


async def test_what_a_finalizer_keeps_and_cannot_be_changed_is_told(desk: Desk) -> None:
    left_immutable(desk, 1, deletionTimestamp="2026-11-22T12:00:00Z")
    await desk.look()
    assert desk.ledger.trouble("roots") == {"team-a": STUCK}
    desk.ledger.claims.set(KEY, None)
    await desk.look()
    assert desk.ledger.trouble("roots") == {}
