"""What a replica makes of the Leases it reads, and what it leaves alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import cast

import pytest

from issuer.api.leases import MEMBER, SHARD, SHARDS
from issuer.controller.approval.policies import PolicyReconciler
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.status import CheckResult
from issuer.controller.leadership.lease_labels import labels, shard_name, written
from issuer.controller.leadership.lease_reader import LeaseReader
from issuer.controller.leadership.ownership import Alone
from issuer.controller.leadership.provisioner import ShardProvisioner
from issuer.controller.leadership.work import RequestWork
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.wiring import Components
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.resources import Resource
from issuer.kube.watching.reflector import Reflector
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.request import Request, RequestKey
from issuer.signing.backends import built_in
from tests.builders import NOW, certificate_request, condition, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench
from tests.unit.controller.fakes import ScriptedKube, SilentRecorder

GROUP = "vi"


class LeaseCluster:
    """The Leases of a namespace."""

    def __init__(self, *leases: Object) -> None:
        self.leases = {one["metadata"]["name"]: one for one in leases}
        self.stale: set[str] = set()

    async def list_all(self, _resource: Resource, **_more: str) -> AsyncIterator[Object]:
        for one in list(self.leases.values()):
            yield one

    async def create(self, _resource: Resource, body: Object) -> None:
        self.leases[body["metadata"]["name"]] = body

    async def delete(
        self, _resource: Resource, name: str, _namespace: str, *, uid: str, version: str
    ) -> None:
        if name in self.stale:
            raise Conflict("it changed")
        if name not in self.leases:
            raise NotFound("gone")
        del self.leases[name]


def lease(name: str, holder: str, role: str = "", shards: int = 2, says: str = "") -> Object:
    marks = labels(GROUP, role, shards) if role else {"vault-issuer.io/lease": GROUP}
    meta = {"name": name, "uid": f"u-{name}", "resourceVersion": "1", "labels": marks}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": "t"}
    return {"metadata": {**meta, "annotations": {SHARDS: says} if says else {}}, "spec": spec}


def deleted_with_finalizer() -> Object:
    one = certificate_request()
    marks = {"finalizers": ["vault-issuer.io/revocation"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    one["metadata"] |= marks
    return one


def written_as(version: str) -> Callable[[Object], Object]:
    return lambda sent: {**sent, "metadata": {**sent["metadata"], "resourceVersion": version}}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def lease_reader(cluster: LeaseCluster, clock: Clock) -> LeaseReader:
    return LeaseReader(cast(KubeClient, cluster), "ns", GROUP, 2, clock)


def provisioner(cluster: LeaseCluster) -> ShardProvisioner:
    return ShardProvisioner(cast(KubeClient, cluster), "ns", GROUP, 2)


async def test_who_does_not_renew_while_we_look_is_dead_and_its_shards_are_free() -> None:
    cluster, clock = LeaseCluster(), Clock()
    cluster.leases = {
        one["metadata"]["name"]: one
        for one in (
            lease(GROUP, "a", says="2"),
            lease("m-a", "a", MEMBER),
            lease("m-b", "b", MEMBER),
            lease(shard_name(GROUP, 0), "a", SHARD),
            lease(shard_name(GROUP, 1), "b", SHARD),
        )
    }
    looks = lease_reader(cluster, clock)
    membership = await looks.read()
    assert (membership.shared, membership.members, membership.holders, membership.free) == (
        True,
        {"a", "b"},
        {0: "a", 1: "b"},
        set(),
    )
    clock.now += 31
    for name in (GROUP, "m-a", shard_name(GROUP, 0)):
        cluster.leases[name]["spec"]["renewTime"] = "later"
    membership = await looks.read()
    assert (membership.members, membership.holders, membership.free) == ({"a"}, {0: "a"}, {1})
    assert [one["metadata"]["name"] for one in membership.dead] == ["m-b"]
    assert await provisioner(cluster).provision(membership, lambda: True) is False
    assert "m-b" not in cluster.leases


@pytest.mark.parametrize("says", ["", "ending"])
async def test_nothing_is_shared_while_a_single_leader_has_the_main_lease(says: str) -> None:
    cluster = LeaseCluster(lease(GROUP, "alone", says=says), lease(shard_name(GROUP, 0), "", SHARD))
    membership = await lease_reader(cluster, Clock()).read()
    assert not membership.shared


async def test_leases_of_another_number_of_shards_go_only_when_nobody_works_under_them() -> None:
    cluster, clock = (
        LeaseCluster(lease(shard_name(GROUP, 7), "old", SHARD, 8), lease("m", "old", MEMBER, 8)),
        Clock(),
    )
    looks, keeps = lease_reader(cluster, clock), provisioner(cluster)
    membership = await looks.read()
    assert (membership.others, membership.foreign_held, membership.members) == ({"old"}, True, set())
    assert not await keeps.provision(membership, lambda: True)
    cluster.leases[shard_name(GROUP, 7)]["spec"]["holderIdentity"] = ""
    assert not await keeps.provision(await looks.read(), lambda: True), (
        "its replica lives, and may take it again"
    )
    del cluster.leases["m"]
    cluster.stale = {shard_name(GROUP, 7)}
    assert await keeps.provision(await looks.read(), lambda: True)
    assert list(cluster.leases) == [shard_name(GROUP, 7)], "one taken meanwhile stays, none is made"
    cluster.stale = set()
    assert await keeps.provision(await looks.read(), lambda: True)
    assert await keeps.provision(await looks.read(), lambda: True)
    assert sorted(cluster.leases) == [shard_name(GROUP, 0), shard_name(GROUP, 1)]
    assert all(written(one["metadata"].get("annotations") or {}) is None for one in cluster.leases.values())


async def test_who_lost_the_lead_makes_no_leases() -> None:
    cluster = LeaseCluster()
    assert not await provisioner(cluster).provision(
        await lease_reader(cluster, Clock()).read(), lambda: False
    )
    assert not cluster.leases


def test_a_word_that_can_not_be_read_is_none() -> None:
    for text in ("", "7", "{", '{"CertificateRequest":"7"}', "[]"):
        assert written({"vault-issuer.io/written": text}) is None
    assert written({"vault-issuer.io/written": "{}"}) == {}


class NotOurs(Alone):
    """Nothing is ours."""

    def leads(self) -> bool:
        return False

    def takes(self, _key: RequestKey) -> bool:
        return False


def test_news_of_other_replicas_requests_and_revocations_is_not_queued() -> None:
    components = Components(ControllerOptions(), cast(KubeClient, ScriptedKube()), NotOurs())
    components.state.requests[CertificateRequest].upsert(certificate_request("two"))
    components.state.revocations.upsert(deleted_with_finalizer())
    components.state.unprocessed.add(KEY, "team-a")
    components.state.unprocessed.wake_all()
    assert (components.queues.requests.depth, components.queues.revocations.depth) == (0, 0)
    assert len(components.state.revocations) == 1, "it is remembered for the day we lead"
    components.queues.close()


def test_who_begins_to_lead_counts_waiting_from_then() -> None:
    told: list[RequestKey] = []
    times = iter([NOW, NOW + timedelta(hours=1)])
    store = RevocationStore(told.append, lambda: next(times))
    store.upsert(deleted_with_finalizer())
    store.begin_anew()
    record = store.get(KEY)
    assert record is not None
    assert record.seen == NOW + timedelta(hours=1)
    assert told == [KEY, KEY]


async def test_only_the_one_that_tells_writes_the_status_of_issuers_and_policies() -> None:
    kube = ScriptedKube()  # refuses every call
    client, recorder = cast(KubeClient, kube), cast(EventRecorder, SilentRecorder())
    reporter = IssuerReporter(client, {}, built_in(), recorder, lambda: False)
    assert await reporter.report(
        CLUSTER_ISSUER, issuer_object(), CheckResult(True, ControllerIssuerReason.READY, "yes")
    )
    components = Components(ControllerOptions(), cast(KubeClient, kube), NotOurs())
    components.state.policies.upsert({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": {}})
    queue: WorkQueue[str] = WorkQueue()
    policies = components.state.policies
    await PolicyReconciler(client, policies, queue, lambda: (), lambda: False).reconcile("p")
    components.queues.close()


def work(bench: Bench) -> RequestWork:
    return RequestWork(
        client=cast(KubeClient, bench.kube),
        stores=bench.stores,
        reflectors=cast("dict[str, Reflector]", {}),
        queue=bench.queue,
        reconciler=bench.reconciler,
        registry=bench.registry,
        unprocessed=bench.unprocessed,
        held=bench.delivery.held,
    )


async def test_a_request_read_anew_is_worked_on_only_if_it_is_still_to_be_answered(bench: Bench) -> None:
    bench.with_request()
    fresh = certificate_request()
    fresh["metadata"]["resourceVersion"] = "9"
    bench.kube.expect("get", fresh)
    assert await work(bench).read_anew(KEY)
    found = bench.store.get(KEY)
    assert found is not None
    assert found.object["metadata"]["resourceVersion"] == "9"
    for gone in (NotFound("gone"), certificate_request(uid="another")):
        bench.kube.expect("get", gone)
        assert not await work(bench).read_anew(KEY)
        assert bench.store.get(KEY) is not None, "the watch will tell"
    bench.kube.expect("get", certificate_request(conditions=[condition("Ready", reason="Issued")]))
    assert not await work(bench).read_anew(KEY)
    assert bench.store.get(KEY) is None


async def test_a_request_put_down_lets_those_behind_it_go_on(bench: Bench) -> None:
    """The one that went first to try a half-open issuer is another replica's now."""
    bench.with_ready_issuer()
    other = RequestKey("team-a", "two")
    bench.registry.half_open(CLUSTER_ISSUER, RequestKey("team-a", "three"))
    for key in (KEY, other):
        bench.registry.wait(CLUSTER_ISSUER, key)
    bench.registry.mark_ready(CLUSTER_ISSUER)
    assert await bench.queue.get() == KEY
    bench.queue.done(KEY)
    bench.unprocessed.add(KEY, "team-a")
    work(bench).release(lambda key: key == KEY)
    assert await bench.queue.get() == other
    assert len(bench.unprocessed) == 0


async def test_every_answer_that_is_written_is_told_with_its_version(bench: Bench) -> None:
    told: list[Request] = []
    bench.writer.written = told.append
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", written_as("7"))
    await bench.reconcile()
    bench.with_request(uid="another", request=b"no request")
    bench.kube.expect("replace_status", written_as("8"))
    await bench.reconcile()
    assert [one.object["metadata"]["resourceVersion"] for one in told] == ["7", "8"]
