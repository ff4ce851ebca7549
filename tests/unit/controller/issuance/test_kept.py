"""What is kept of requests, issuers and policies: what is read, within bounds, whatever somebody writes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.api.issuers import SpecError
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.issuance.reading import RequestReader
from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.status import CheckResult, with_result
from issuer.controller.state.watched import kept as module
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.kept import (
    LEAST_ISSUER,
    MAX_ISSUER,
    MAX_ISSUERS,
    MAX_TEXT,
    Kept,
    KeptIssuers,
    KeptRequests,
    slim,
    slim_request,
)
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import NotFound, Unavailable
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import CERTIFICATE_ANNOTATION, FINALIZER, annotation
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import DURATION, IS_CA, KubernetesCSR
from issuer.requests.request import BadSpec, RequestKey
from issuer.signing.backend import STATUS_FIELDS
from issuer.signing.backends import built_in
from issuer.signing.reasons import SigningIssuerReason
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import MAX_FIELD, decode_request
from tests.builders import certificate_request, issuer_object, signing_request
from tests.unit.controller.bench import KEY, Bench

FAT = {
    "managedFields": [{"manager": "x" * 100_000}],
    "annotations": {"a": "x" * 150_000},
    "labels": {"l": "x" * 150_000},
    "ownerReferences": [{"name": "x" * 150_000}],
    "finalizers": ["x" * 150_000, FINALIZER],
}


def fat(obj: Object) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **FAT}}


def size_of(one: object) -> int:
    return len(orjson.dumps(one))


def request_text(length: int) -> Object:
    obj = certificate_request()
    return {**obj, "spec": {**obj["spec"], "request": "A" * length}}


# Metadata ------------------------------------------------------------------------


def test_of_metadata_what_is_read_is_kept(bench: Bench) -> None:
    thin, thick = certificate_request(), fat(certificate_request())
    kept = slim(thick)
    assert kept["metadata"] == {**slim(thin)["metadata"], "finalizers": [FINALIZER]}
    assert kept["spec"] == thick["spec"]
    assert thick["metadata"]["annotations"] == FAT["annotations"], "others read the same object"


def test_stores_keep_nothing_of_what_makes_objects_fat(bench: Bench) -> None:
    bench.store.upsert(fat(certificate_request()))
    bench.stores[KubernetesCSR].upsert(fat(signing_request()))
    assert sum(store.size for store in bench.stores.values()) < 10_000
    issuers = IssuerStore("VaultIssuer", lambda _key: None)
    issuers.upsert(fat(issuer_object("one", "team-a")))
    assert size_of(issuers.get(IssuerKey("VaultIssuer", "team-a", "one"))) < 5_000
    policies = PolicyStore(lambda _name: None, lambda _name, _error: "")
    policies.upsert(fat({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": {}}))
    assert size_of(policies.get("p")) < 1_000


@given(st.text(min_size=257, max_size=600))
def test_an_annotation_that_is_too_long_means_nothing(text: str) -> None:
    obj = signing_request(annotations={DURATION: "1h" * 300, IS_CA: text, "other": "x"})
    request = slim_request(KubernetesCSR(obj))
    assert set(request.object["metadata"]["annotations"]) == {DURATION, IS_CA}
    with pytest.raises(BadSpec):
        request.is_ca  # noqa: B018
    with pytest.raises(BadSpec):
        request.duration  # noqa: B018
    assert size_of(request.news) < 2_000


def test_a_name_that_no_object_can_have_is_no_name() -> None:
    obj = certificate_request()
    obj["metadata"]["annotations"] = {CERTIFICATE_ANNOTATION: "x" * 254}
    assert annotation(obj, CERTIFICATE_ANNOTATION) == ""
    obj["metadata"]["annotations"] = {CERTIFICATE_ANNOTATION: "x" * 253}
    assert annotation(obj, CERTIFICATE_ANNOTATION) == "x" * 253
    obj["spec"]["issuerRef"]["name"] = "x" * 254
    with pytest.raises(BadSpec, match=r"spec\.issuerRef\.name"):
        CertificateRequest(obj).issuer  # noqa: B018


# Requests ------------------------------------------------------------------------


def test_a_csr_over_the_bound_is_still_refused_for_its_length() -> None:
    request = slim_request(CertificateRequest(request_text(1_400_000)))
    assert len(request.spec["request"]) == MAX_FIELD + 1
    with pytest.raises(InvalidRequest, match=r"larger|large|longer"):
        decode_request(request.spec["request"])


def test_what_is_kept_for_showing_is_bounded() -> None:
    obj = certificate_request()
    obj["spec"]["username"] = "x" * 1_000_000
    obj["status"] = {"conditions": [{"type": "Ready", "status": "False", "message": "x" * 1_000_000}]}
    kept = Kept.of(CertificateRequest(obj), 0.0)
    assert (len(kept.username), len(kept.reason)) == (1024, 1024)


def keep(store: KeptRequests, name: str, namespace: str = "team-a", length: int = 1000) -> RequestKey:
    obj = certificate_request(name, namespace)
    obj["spec"]["request"] = "A" * length
    store.put(key := RequestKey(namespace, name), Kept.of(CertificateRequest(obj), 0.0))
    return key


def has_text(store: KeptRequests, key: RequestKey) -> bool:
    found = store.get(key)
    assert found is not None
    return found.text is not None


def test_a_text_that_is_too_large_is_not_kept() -> None:
    store = KeptRequests()
    assert not has_text(store, keep(store, "large", length=MAX_TEXT))
    assert has_text(store, keep(store, "usual", length=4_000))
    assert store.without_text == 1
    assert store.size < 6_000


def test_a_namespace_has_its_part_and_all_have_the_whole() -> None:
    store = KeptRequests(each=5_000, most=8_000)
    mine = [has_text(store, keep(store, f"r{number}")) for number in range(10)]
    assert mine == [True] * sum(mine) + [False] * (10 - sum(mine))
    assert 2 <= sum(mine) <= 4
    assert has_text(store, keep(store, "r0", "team-b"))
    assert store.size <= 8_000
    store.pop(RequestKey("team-a", "r0"))
    assert has_text(store, keep(store, "r9"))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4_000), st.booleans())))
def test_what_is_counted_is_what_is_kept(steps: list[tuple[int, int, int, bool]]) -> None:
    store = KeptRequests(each=6_000, most=9_000)
    for namespace, name, length, remove in steps:
        if remove:
            store.pop(RequestKey(f"n{namespace}", f"r{name}"))
        else:
            keep(store, f"r{name}", f"n{namespace}", length)
    found = [store.get(key) for key in store]
    assert store.size == sum(one.size for one in found if one is not None) <= 9_000
    for key in list(store):
        store.pop(key)
    assert (store.size, store._budget._used) == (0, {})


# Reading again -------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is small enough to be kept."""
    monkeypatch.setattr(module, "MAX_TEXT", 0)


async def test_a_request_that_is_not_kept_is_read_and_answered(bench: Bench, large: None) -> None:
    bench.with_ready_issuer().with_request().signs()
    assert bench.store.get(KEY) is None
    assert bench.store.pending() == (KEY,)
    bench.kube.expect("get", certificate_request())
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert bench.store.pending() == ()


@pytest.mark.parametrize("now", [NotFound("gone", status=404), certificate_request(uid="another")])
async def test_one_that_is_gone_when_it_is_read_is_left_alone(bench: Bench, large: None, now: Any) -> None:
    bench.with_ready_issuer().with_request()
    bench.kube.expect("get", now)
    await bench.reconcile()
    assert (bench.signer.signed, bench.queue.depth, bench.queue.delayed) == (0, 0, 0)


async def test_one_that_cannot_be_read_is_tried_again(bench: Bench, large: None) -> None:
    bench.with_ready_issuer().with_request()
    bench.kube.expect("get", Unavailable("down"))
    await bench.reconcile()
    assert (bench.signer.signed, bench.queue.delayed) == (0, 1)


async def test_few_large_requests_are_read_at_once(large: None) -> None:
    store = RequestStore(CertificateRequest, lambda _key: None)
    under_way: list[str] = []
    go = asyncio.Event()

    class Slow:
        async def get(self, _resource: object, name: str, _namespace: str | None) -> Object:
            under_way.append(name)
            await go.wait()
            return certificate_request(name)

    for number in range(30):
        store.upsert(certificate_request(f"r{number}"))
    reader = RequestReader(cast(KubeClient, Slow()), {CertificateRequest: store})
    reads = asyncio.gather(*(reader.get(key) for key in store.pending()))
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(under_way) == 4
    go.set()
    assert len([one for one in await reads if one is not None]) == 30


# Issuers -------------------------------------------------------------------------


def test_an_issuer_that_is_too_large_is_known_with_its_reason() -> None:
    store = IssuerStore("VaultIssuer", lambda _key: None)
    key = IssuerKey("VaultIssuer", "team-a", "one")
    obj = issuer_object("one", "team-a")
    obj["spec"]["vault"]["caBundle"] = "A" * MAX_ISSUER
    store.upsert(obj)
    found = store.get(key)
    assert found is not None
    assert size_of(found) < 1_000
    assert "caBundleSecretRef" in (store.problem(key) or "")
    store.upsert(issuer_object("one", "team-a", generation=2))
    assert store.problem(key) is None
    store.drop(key)
    assert store.get(key) is None


def test_many_short_values_of_an_issuer_count_for_the_memory_that_they_take() -> None:
    store = KeptIssuers()
    obj = issuer_object("one", "team-a")
    obj["spec"]["vault"]["auth"] = {"kubernetes": {"serviceAccountRef": {"audiences": ["ab"] * 100_000}}}
    keys = [IssuerKey("VaultIssuer", "team-a", f"i{number}") for number in range(4)]
    for key in keys:
        store.put(key, obj)
    assert [store.problem(key) is None for key in keys] == [True, True, False, False]


def test_the_issuers_of_a_namespace_are_bounded_and_those_of_others_are_not_theirs() -> None:
    store = KeptIssuers()
    most = MAX_ISSUERS // LEAST_ISSUER
    for number in range(most + 1):
        name = f"i{number}"
        store.put(IssuerKey("VaultIssuer", "team-a", name), issuer_object(name, "team-a"))
    over = IssuerKey("VaultIssuer", "team-a", f"i{most}")
    assert "namespace team-a" in (store.problem(over) or "")
    assert sum(1 for key in store if store.problem(key)) == 1
    for key in (IssuerKey("VaultIssuer", "team-b", "one"), IssuerKey("VaultClusterIssuer", "", "one")):
        store.put(key, issuer_object("one", key.namespace))
        assert store.problem(key) is None
    store.pop(IssuerKey("VaultIssuer", "team-a", "i0"))
    store.put(over, issuer_object(over.name, "team-a"))
    assert store.problem(over) is None


def test_an_issuer_without_room_is_told_so_once_and_read_again_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_ISSUERS", LEAST_ISSUER)
    store = IssuerStore("VaultIssuer", lambda _key: None)
    first, over = (IssuerKey("VaultIssuer", "team-a", name) for name in ("first", "over"))
    written = issuer_object("over", "team-a")
    store.upsert(issuer_object("first", "team-a"))
    store.upsert(written)
    problem = store.problem(over)
    assert problem is not None

    async def read(_resource: object, _name: str, where: str | None = None) -> Object:
        reads.append(where)
        return written

    reads: list[str | None] = []
    checker = cast(
        Any, SimpleNamespace(stores={over.kind: store}, backends=built_in(), client=SimpleNamespace(get=read))
    )

    async def spec() -> Object:
        return await IssuerChecker._spec(checker, over, cast(Object, store.get(over)))

    verdict, now = CheckResult(False, SigningIssuerReason.INVALID_SPEC, problem), datetime.now(UTC)
    written = cast(Object, with_result(cast(Object, store.get(over)), verdict, STATUS_FIELDS, now))
    written["spec"] = issuer_object("over", "team-a")["spec"]
    store.refresh(written)
    assert with_result(cast(Object, store.get(over)), verdict, STATUS_FIELDS, now) is None, (
        "told, and not told again"
    )
    with pytest.raises(SpecError, match="delete those that nobody needs"):
        asyncio.run(spec())
    assert not reads
    store.drop(first)
    assert asyncio.run(spec()) == written["spec"]
    assert (store.problem(over), reads) == (None, ["team-a"])
