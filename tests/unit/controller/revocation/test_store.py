"""What is remembered of request with our finalizers, and who is woken by what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from issuer.controller.revocation.store import FanOut, RevocationStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import (
    FINALIZER,
    SECRET_ANNOTATION,
    has_finalizer,
    without_finalizer,
)
from issuer.requests.request import RequestKey
from issuer.text import rfc3339
from tests.builders import NOW, certificate_request, condition
from tests.unit.controller.bench import CLUSTER_ISSUER

ISSUED = {"conditions": [condition("Ready", reason="Issued")], "certificate": "eA=="}


def request_with_finalizer(revision: int = 1, *, issued: bool = True, **meta: Any) -> dict[str, Any]:
    """A request of the Certificate `web` with our finalizer."""
    obj = certificate_request(f"web-{revision}")
    obj["metadata"] |= {
        "finalizers": [FINALIZER, "other"],
        "annotations": {
            "cert-manager.io/certificate-name": "web",
            "cert-manager.io/certificate-revision": str(revision),
            SECRET_ANNOTATION: "web-tls",
        },
        **meta,
    }
    if issued:
        obj["status"] = ISSUED
    return obj


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def store(woken: list[str]) -> RevocationStore:
    return RevocationStore(lambda key: woken.append(key.name), lambda: NOW)


KEY = RequestKey("team-a", "web-1")


@pytest.mark.parametrize(("hours", "counts"), [(-3, -3), (0, 0), (5, 0)])
def test_a_deletion_lies_behind_by_our_clock(hours: int, counts: int, store: RevocationStore) -> None:
    """With a clock that is hours behind the API server's the request would be kept for so long."""
    store.upsert(request_with_finalizer(deletionTimestamp=rfc3339(NOW + timedelta(hours=hours))))
    record = store.get(KEY)
    assert record is not None
    assert (record.deleted_at, record.seen) == (NOW + timedelta(hours=counts), NOW)


def test_a_few_fields_are_kept(store: RevocationStore) -> None:
    store.upsert(request_with_finalizer())
    record = store.get(KEY)
    assert record is not None
    assert (record.issuer, record.certificate, record.revision) == (CLUSTER_ISSUER, "web", 1)
    assert record.secret == "web-tls"
    assert record.issued_at == NOW - timedelta(minutes=1)
    assert store.of_issuer(CLUSTER_ISSUER) == store.in_namespace("team-a") == [KEY]


def test_a_request_without_our_finalizer_is_none_of_it(store: RevocationStore, woken: list[str]) -> None:
    store.upsert(certificate_request())
    assert (len(store), woken) == (0, [])
    store.upsert(request_with_finalizer())
    store.upsert(without_finalizer(request_with_finalizer()))
    assert len(store) == 0
    assert woken == ["web-1", "web-1"]


def test_an_event_that_changes_nothing_wakes_nobody(store: RevocationStore, woken: list[str]) -> None:
    for version in ("1", "2"):
        store.upsert(request_with_finalizer(resourceVersion=version))
    assert woken == ["web-1"]


def test_a_successors_certificate_wakes_its_predecessors(store: RevocationStore, woken: list[str]) -> None:
    store.upsert(request_with_finalizer(1))
    store.upsert(request_with_finalizer(2, issued=False))
    assert store.replaced_at(KEY) is None
    woken.clear()
    store.upsert(request_with_finalizer(2))
    assert sorted(woken) == ["web-1", "web-2"]
    assert store.replaced_at(KEY) == NOW - timedelta(minutes=1)
    assert store.replaced_at(RequestKey("team-a", "web-2")) is None


def test_another_certificates_request_replaces_nothing(store: RevocationStore) -> None:
    store.upsert(request_with_finalizer(1))
    other = request_with_finalizer(2)
    other["metadata"]["annotations"]["cert-manager.io/certificate-name"] = "other"
    store.upsert(other)
    assert store.replaced_at(KEY) is None


def test_the_first_sight_of_a_deletion_is_remembered_for_that_very_request(woken: list[str]) -> None:
    times = iter(NOW + timedelta(seconds=number) for number in range(9))
    store = RevocationStore(lambda key: woken.append(key.name), lambda: next(times))
    deleted: dict[str, Any] = {"deletionTimestamp": "2026-11-22T11:00:00Z"}
    store.upsert(request_with_finalizer(**deleted))
    store.upsert(request_with_finalizer(**deleted, resourceVersion="2"))
    first = store.get(KEY)
    assert first is not None
    assert (first.deleted_at, first.seen) == (NOW - timedelta(hours=1), NOW)
    store.upsert(request_with_finalizer(**deleted, uid="another"))
    again = store.get(KEY)
    assert again is not None
    assert again.seen == NOW + timedelta(seconds=1)


@pytest.mark.parametrize("revision", ["", "x", "-1", "99999999999999999999"])
def test_a_revision_that_is_no_number_counts_as_none(store: RevocationStore, revision: str) -> None:
    obj = request_with_finalizer()
    obj["metadata"]["annotations"]["cert-manager.io/certificate-revision"] = revision
    store.upsert(obj)
    record = store.get(KEY)
    assert record is not None
    assert record.revision == 0


def test_both_stores_follow_one_watch(store: RevocationStore, woken: list[str]) -> None:
    open_requests = RequestStore(CertificateRequest, lambda _key: None)
    both = FanOut(open_requests, store)
    both.begin()
    both.add(request_with_finalizer(1, issued=False))
    both.end()
    assert (len(open_requests), len(store)) == (1, 1)
    both.upsert(request_with_finalizer(1))
    assert (len(open_requests), len(store)) == (0, 1)
    both.begin()
    both.end()
    assert len(store) == 0


def test_only_our_finalizer_is_taken_off() -> None:
    left = without_finalizer(request_with_finalizer())
    assert left["metadata"]["finalizers"] == ["other"]
    assert not has_finalizer(left)
