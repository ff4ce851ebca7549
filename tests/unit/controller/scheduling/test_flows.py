"""Whose turn a request and a revocation has."""

from __future__ import annotations

import pytest

from issuer.controller.revocation.store import RevocationStore
from issuer.controller.scheduling.flows import RequestFlows, partitioned_queue, revocation_flow
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.queues.fairqueue import UNLIMITED
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import FINALIZER
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from tests.builders import NOW, certificate_request, issuer_object, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench


@pytest.fixture
def flows(bench: Bench) -> RequestFlows:
    """The order of a controller with a cluster issuer `demo` and two issuers of `team-a`."""
    bench.with_ready_issuer()
    for name in ("one", "two"):
        bench.issuers["VaultIssuer"].upsert(issuer_object(name, "team-a"))
    return RequestFlows(bench.stores, bench.issuers, bench.delivery.held.get, bench.limits)


def add(bench: Bench, name: str, namespace: str, issuer: str, kind: str = "VaultClusterIssuer") -> RequestKey:
    bench.store.upsert(certificate_request(name, namespace, issuer=issuer, kind=kind))
    return RequestKey(namespace, name)


def test_requests_of_one_issuer_share_its_gate_and_namespaces_take_turns(
    bench: Bench, flows: RequestFlows
) -> None:
    one = flows.queue_key(add(bench, "r1", "team-a", "demo"))
    other = flows.queue_key(add(bench, "r2", "team-b", "demo"))
    assert one.limiter is other.limiter is bench.limits.limiter(CLUSTER_ISSUER)
    assert (one.tenant, one.flow, other.tenant, other.flow) == (one.tenant, "team-a", one.tenant, "team-b")


def test_issuers_of_two_backends_share_no_gate(bench: Bench, flows: RequestFlows) -> None:
    store = bench.issuers["StepClusterIssuer"] = IssuerStore("StepClusterIssuer", lambda _key: None)
    store.upsert({**issuer_object(), "kind": "StepClusterIssuer"})
    vault = flows.queue_key(add(bench, "r1", "team-a", "demo"))
    step = flows.queue_key(add(bench, "r2", "team-a", "demo", "StepClusterIssuer"))
    assert step.limiter is bench.limits.limiter(IssuerKey("StepClusterIssuer", "", "demo"))
    assert step.limiter is not vault.limiter
    assert step.tenant == ("StepClusterIssuer", "demo")


def test_issuers_of_a_namespace_have_gates_of_their_own_and_its_turns(
    bench: Bench, flows: RequestFlows
) -> None:
    one = flows.queue_key(add(bench, "r1", "team-a", "one", "VaultIssuer"))
    two = flows.queue_key(add(bench, "r2", "team-a", "two", "VaultIssuer"))
    cluster = flows.queue_key(add(bench, "r3", "team-a", "demo"))
    assert one.tenant == two.tenant != cluster.tenant
    assert len({one.limiter, two.limiter, cluster.limiter}) == 3


def test_issuers_that_are_not_there_have_one_turn_together_and_no_gate(
    bench: Bench, flows: RequestFlows
) -> None:
    keys = [flows.queue_key(add(bench, f"r{n}", "team-a", f"invented-{n}")) for n in range(3)]
    keys.append(flows.queue_key(add(bench, "bad", "team-a", "demo", "Issuer")))
    keys.append(flows.queue_key(RequestKey("team-a", "gone")))
    assert {(one.tenant, one.limiter, one.flow) for one in keys} == {(None, UNLIMITED, "team-a")}


def test_of_kubernetes_requests_each_requester_has_turns(bench: Bench, flows: RequestFlows) -> None:
    for name in ("ann", "ben"):
        bench.stores[KubernetesCSR].upsert(signing_request(f"of-{name}", username=name))
    keys = [flows.queue_key(RequestKey("", f"of-{name}")) for name in ("ann", "ben")]
    assert [one.flow for one in keys] == ["ann", "ben"]
    assert keys[0].limiter is bench.limits.limiter(CLUSTER_ISSUER)


def test_what_is_signed_is_delivered_whatever_its_issuer_may_have(bench: Bench, flows: RequestFlows) -> None:
    key = add(bench, "r1", "team-a", "demo")
    request = bench.stores[CertificateRequest].get(key)
    assert request is not None
    shared = SharedSigner(bench.signer, Identity("uid-1", 1, ()))
    bench.delivery.held.hold(
        PendingDelivery(key, request.uid, CLUSTER_ISSUER, shared, "", "", "", "", "", NOW, AuditRecord())
    )
    assert flows.queue_key(key).limiter is UNLIMITED
    assert flows.queue_key(key).tenant == ("VaultClusterIssuer", "demo")


def test_revocations_take_turns_by_issuer(bench: Bench) -> None:
    store = RevocationStore(lambda _key: None)
    for name, issuer in (("a", "one"), ("b", "two")):
        obj = certificate_request(name, issuer=issuer)
        obj["metadata"]["finalizers"] = [FINALIZER]
        store.upsert(obj)
    queue_key = revocation_flow(store.issuer_of)
    tenants = [queue_key(RequestKey("team-a", name)).tenant for name in ("a", "b", "gone")]
    assert tenants == [("VaultClusterIssuer", "one"), ("VaultClusterIssuer", "two"), None]


def test_hanging_requests_of_namespaces_leave_workers_for_cluster_issuers(
    bench: Bench, flows: RequestFlows
) -> None:
    line = partitioned_queue(flows.queue_key, 64)
    for number in range(20):
        bench.issuers["VaultIssuer"].upsert(issuer_object("dead", f"team-{number}"))
        for request in range(20):
            line.add(add(bench, f"r{request}", f"team-{number}", "dead", "VaultIssuer"))
    hanging = 0
    while line.take() is not None:
        hanging += 1
    assert 40 <= hanging <= 48
    key = add(bench, "r1", "team-a", "demo")
    line.add(key)
    assert line.take() == key
