"""Certificates of our issuers are counted by issuer, and nothing is left of what is gone."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.controller.state.watched.certificates import NO_ISSUER, CertificateStore
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.signing.step.adopted import ADOPTED_KINDS

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
CLUSTER = IssuerKey("VaultClusterIssuer", "", "demo")
OWN = IssuerKey("VaultIssuer", "team-a", "own")


def certificate(
    name: str,
    issuer: str = "demo",
    kind: str = "VaultClusterIssuer",
    *,
    namespace: str = "team-a",
    group: str = "vault-issuer.io",
    ready: str | None = "True",
    not_after: str | None = "2026-11-23T12:00:00Z",
    renewal: str | None = "2026-11-23T04:00:00Z",
) -> dict[str, Any]:
    """A Certificate as cert-manager leaves it."""
    status: dict[str, Any] = {"notAfter": not_after, "renewalTime": renewal}
    if ready is not None:
        status["conditions"] = [{"type": "Ready", "status": ready}]
    return {
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"issuerRef": {"group": group, "kind": kind, "name": issuer}},
        "status": {key: value for key, value in status.items() if value is not None},
    }


def counted(
    store: CertificateStore, *issuers: IssuerKey, now: float = NOON
) -> dict[IssuerKey, tuple[float | None, ...]]:
    """Number, not Ready, past renewal, and the first end, by issuer."""
    return {IssuerKey(*labels): tuple(values) for labels, values in store.totals(issuers, now)}


def test_certificates_are_counted_by_the_issuer_they_name() -> None:
    store = CertificateStore()
    store.upsert(certificate("one"))
    store.upsert(certificate("two", not_after="2026-11-22T18:00:00Z"))
    store.upsert(certificate("three", "own", "VaultIssuer"))
    assert counted(store, CLUSTER, OWN) == {
        CLUSTER: (2, 0, 0, NOON + 6 * 3600),
        OWN: (1, 0, 0, NOON + 24 * 3600),
    }


def test_an_issuer_without_certificates_has_zeros_and_no_end() -> None:
    assert counted(CertificateStore(), CLUSTER) == {CLUSTER: (0, 0, 0, None)}


def test_one_is_past_its_renewal_until_cert_manager_moves_the_time_on() -> None:
    store = CertificateStore()
    store.upsert(certificate("one"))
    late = NOON + 17 * 3600
    assert counted(store, CLUSTER, now=NOON)[CLUSTER][2] == 0
    assert counted(store, CLUSTER, now=late)[CLUSTER][2] == 1
    store.upsert(certificate("one", not_after="2026-11-24T05:00:00Z", renewal="2026-11-23T21:00:00Z"))
    assert counted(store, CLUSTER, now=late)[CLUSTER][2] == 0


@pytest.mark.parametrize("ready", ["False", "Unknown", None])
def test_one_that_was_never_issued_is_not_ready_and_has_no_end(ready: str | None) -> None:
    store = CertificateStore()
    store.upsert(certificate("one", ready=ready, not_after=None, renewal=None))
    assert counted(store, CLUSTER) == {CLUSTER: (1, 1, 0, None)}


def test_issuers_that_are_not_there_share_one_row_however_many_are_named() -> None:
    store = CertificateStore()
    for number in range(100):
        store.upsert(certificate(f"c{number}", f"ghost-{number}"))
    found = counted(store, CLUSTER)
    assert set(found) == {CLUSTER, NO_ISSUER}
    assert found[NO_ISSUER][0] == 100


def test_what_is_gone_is_not_counted_whether_deleted_or_missing_from_a_new_list() -> None:
    store = CertificateStore()
    for name in ("one", "two", "three"):
        store.upsert(certificate(name))
    store.remove(certificate("one"))
    store.begin()
    store.add(certificate("two"))
    store.end()
    assert counted(store, CLUSTER)[CLUSTER][0] == 1
    assert [(one.namespace, one.name, one.issuer, one.ready) for one in store.all()] == [
        ("team-a", "two", CLUSTER, True)
    ]
    assert store.known() == (("team-a", "two"),)


@pytest.mark.parametrize(
    ("more", "ours"),
    [
        ({}, True),
        ({"kind": "VaultIssuer"}, True),
        ({"kind": "Issuer"}, False),
        ({"group": "cert-manager.io"}, False),
    ],
)
def test_only_those_that_name_our_kinds_are_kept(more: dict[str, str], ours: bool) -> None:
    assert CertificateStore().is_ours(certificate("one", **more)) is ours
    assert not CertificateStore().is_ours({"metadata": {"namespace": "team-a", "name": "one"}, "spec": {}})


@pytest.mark.parametrize("kind", ["StepIssuer", "AnyOther"])
def test_one_of_an_adopted_kind_is_counted_as_its_issuer_not_as_one_of_ours(kind: str) -> None:
    adopted = IssuerKey("StepIssuer.certmanager.step.sm", "team-a", "ca")
    store = CertificateStore(IssuerKinds([*BUILT_IN, *ADOPTED_KINDS]))
    store.upsert(certificate("one", "ca", kind, group="certmanager.step.sm"))
    assert counted(store, adopted)[adopted][0] == 1


def test_names_of_issuers_take_no_memory_beyond_names_that_can_be() -> None:
    assert CertificateStore().is_ours(certificate("one", "x" * 253))
    assert not CertificateStore().is_ours(certificate("one", "x" * 254))
    store = CertificateStore()
    for number in range(1000):
        store.upsert(certificate("one", f"issuer-{number}"))
    assert len(store._issuers) <= 102, "those that nobody names any more are forgotten"
    assert counted(store, CLUSTER)[NO_ISSUER][0] == 1


def test_it_tells_of_what_is_new_and_of_changed_specs_alone() -> None:
    told: list[tuple[str, str]] = []
    store = CertificateStore(on_change=told.append)
    for generation in (1, 1, 2, 2):
        obj = certificate("web")
        obj["metadata"]["generation"] = generation
        store.upsert(obj)
    assert told == [("team-a", "web")] * 2


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("2026-11-23t12:00:00z", NOON + 24 * 3600),
        ("9999-12-31T23:59:59-23:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("2026-11-23T12:00:00", None),
        ("2026-11-23T12:00:00x5Z", None),
    ],
)
def test_a_time_that_anybody_wrote_is_read_or_none(written: str, end: float | None) -> None:
    """Who may edit Certificates may write their status; beyond Python's years the status page failed."""
    store = CertificateStore()
    store.upsert(certificate("one", not_after=written, renewal=written))
    (one,) = store.all()
    assert (one.not_after, one.renewal_time) == (end, end)
