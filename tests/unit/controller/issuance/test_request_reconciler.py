"""A request is answered once, waits with its reason told, and is never signed twice."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.same_answers import TRIES
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.errors import Forbidden
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import (
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    RateLimited,
    Retry,
    ServerFault,
)
from issuer.signing.vault.profile import signing_profile
from issuer.signing.vault.reasons import (
    VaultFailure,
    VaultIssuerReason,
    VaultOutage,
    VaultRetry,
)
from tests.builders import NOW, approved, certificate_request, condition, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench


async def test_a_missing_right_to_write_breaks_the_issuer_and_nothing_is_signed_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.expect("replace_status", Forbidden("cannot update", status=403))
    bench.kube.expect("create", {"status": {"allowed": False}})
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert {one["type"] for one in bench.kube.written[-1]["status"]["conditions"]} == {"Ready"}
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "StatusWriteRefused")
    assert len(bench.delivery.held) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.registry.entry(CLUSTER_ISSUER).refused is None
    assert bench.issuer_queue.depth == 1


async def test_a_denied_request_is_failed_as_the_contract_asks(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[condition("Denied")])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (bench.ready["status"], bench.ready["reason"]) == ("False", "Denied")
    assert bench.kube.written[0]["status"]["failureTime"] == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize(
    ("request_field", "why"),
    [("%%%", "base64"), (base64.b64encode(b"hello").decode(), "PEM"), ("", "PEM")],
)
async def test_a_request_without_a_readable_csr_is_failed_with_the_reason(
    bench: Bench, request_field: str, why: str
) -> None:
    bench.with_ready_issuer().with_request(request=request_field)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "spec.request" in bench.ready["message"]
    assert why.lower() in bench.ready["message"].lower()
    assert bench.recorder.events[0][:2] == ("Warning", "Failed")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"kind": "Issuer"}, "spec.issuerRef.kind"),
        ({"duration": "90 days"}, "spec.duration"),
        ({"duration": "-1h"}, "spec.duration"),
        ({"isCA": True}, "spec.certificateAuthority"),
    ],
)
async def test_a_spec_that_can_never_be_served_is_failed_naming_the_field(
    bench: Bench, more: dict[str, Any], why: str
) -> None:
    bench.with_ready_issuer().with_request(**more)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert why in bench.ready["message"]


async def test_a_request_waits_for_an_issuer_that_is_not_there_and_says_so_once(bench: Bench) -> None:
    bench.with_request()
    bench.kube.expect("replace_status", lambda sent: sent)
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert 'there is no VaultClusterIssuer "demo"' in bench.ready["message"]
    await bench.reconcile()
    assert len(bench.kube.written) == 1


async def test_waiting_requests_wake_when_their_issuer_is_ready(bench: Bench) -> None:
    bench.with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.with_ready_issuer()
    assert bench.queue.depth == 1


async def test_an_issuer_that_changed_is_not_used_before_it_was_checked_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(generation=2))
    await bench.reconcile()
    assert bench.signer.signed == 0
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(uid="uid-2", generation=1))
    await bench.reconcile()
    assert bench.signer.signed == 0


async def test_a_sealed_vault_leaves_the_request_pending_and_its_issuer_to_be_checked(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(IssuerUnavailable(VaultOutage.VAULT_SEALED, "Vault is sealed"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "VaultSealed" in bench.ready["message"]
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "VaultSealed")
    assert bench.issuer_queue.delayed == 1


async def test_a_passing_fault_is_retried_and_told(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(RateLimited(VaultRetry.VAULT_RATE_LIMITED, "too many requests", after=2))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    assert bench.queue.delayed == 1
    assert "VaultRateLimited" in bench.ready["message"]


async def test_an_answer_that_never_changes_says_what_to_change(bench: Bench) -> None:
    """And is written once more only, however often it comes."""
    bench.with_ready_issuer().with_request()
    messages = []
    for attempt in range(TRIES + 2):
        bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "internal error.", remedy="Do this."))
        if attempt in (0, TRIES - 1):
            bench.kube.accepts_status()
        await bench.reconcile()
        bench.store.upsert(bench.kube.written[-1])
        messages.append(bench.ready["message"])
        bench.registry.answer_was_good(CLUSTER_ISSUER, RequestKey("team-a", "other"), "uid-of-other")
    assert messages[0] == "VaultUnavailable: internal error."
    assert messages[-1] == f"{messages[0]} It looks permanent: the same answer comes at each try. Do this."
    assert bench.ready["reason"] == "Pending"


async def test_a_refusal_by_the_ca_fails_the_request(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "common name x not allowed by this role"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (bench.ready["reason"], bench.ready["status"]) == ("Failed", "False")
    assert "not allowed by this role" in bench.ready["message"]


async def test_after_a_broken_issuer_returns_one_request_probing(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(IssuerBroken(VaultIssuerReason.PERMISSION_DENIED, "no capability"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.registry.entry(CLUSTER_ISSUER).half_open
    for number in range(5):
        bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", f"other-{number}"))
    bench.registry.mark_ready(CLUSTER_ISSUER)
    assert bench.queue.depth == 1
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert not bench.registry.entry(CLUSTER_ISSUER).half_open
    assert bench.queue.depth == 5


async def test_a_certificate_with_a_name_nobody_asked_for_is_revoked_and_never_delivered(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs(extra_dns=("evil.example.com",))
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "evil.example.com" in bench.ready["message"]
    assert "certificate" not in bench.kube.written[0]["status"]
    assert len(bench.signer.revoked) == 1


async def test_what_the_ca_decided_otherwise_is_told_in_the_condition(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(duration="48h").signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert bench.ready["message"].startswith(f"Issued by {CLUSTER_ISSUER.quoted}, serial ")
    assert ". Not as requested: the certificate expires at" in bench.ready["message"]
    ((kind, reason, message),) = bench.recorder.events
    assert (kind, reason) == ("Warning", "CertificateDiffers")
    assert "sooner than" in message
    assert counted(bench, "LifeShorter", "false") == 1


def test_the_same_differences_are_news_once_an_hour() -> None:
    entry, usages, life = IssuerEntry(CLUSTER_ISSUER), frozenset({"UsageAdded"}), frozenset({"LifeShorter"})
    hour = timedelta(hours=1)
    assert [entry.is_news(usages, NOW + part * hour) for part in (0, 0.5, 1)] == [True, False, True]
    assert entry.is_news(life, NOW)
    assert not entry.is_news(frozenset(), NOW)


def counted(bench: Bench, code: str, fatal: str) -> float:
    """How often a difference was counted."""
    return float(bench.metrics.differences.labels(code, fatal)._value.get())


async def test_a_strict_issuer_refuses_what_the_ca_decided_otherwise(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(duration="48h").signs()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(verification="Strict")["spec"])
    entry.profile = signing_profile(spec)
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert counted(bench, "LifeShorter", "true") == 1


async def test_our_own_pending_does_not_end_the_backoff(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "it happened at 12:00:01"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.queue.delayed == 1
    news: list[RequestKey] = []
    store = RequestStore(CertificateRequest, news.append)
    store.upsert(certificate_request(conditions=[approved()]))
    store.upsert(bench.kube.written[-1])
    assert news == [KEY]


async def test_after_a_suspect_issuer_returns_the_next_goes_when_the_first_is_gone(bench: Bench) -> None:
    bench.with_ready_issuer()
    bench.registry.half_open(CLUSTER_ISSUER, KEY)
    for number in range(3):
        bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", f"r{number}"))
    bench.registry.mark_ready(CLUSTER_ISSUER)
    assert bench.queue.depth == 1
    # It was deleted meanwhile: nothing of it is in the store.
    await bench.reconciler.reconcile(await bench.queue.get())
    assert bench.queue.depth == 1


async def test_a_refusal_of_one_request_shows_that_the_issuer_works(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.registry.half_open(CLUSTER_ISSUER, KEY)
    bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", "other"))
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "not allowed by this role"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.queue.depth == 1


def test_a_request_that_is_gone_leaves_nothing_behind_at_its_issuer(bench: Bench) -> None:
    invented = IssuerKey("VaultClusterIssuer", "", "invented")
    bench.registry.wait(invented, KEY)
    bench.registry.leave(KEY)
    assert bench.registry.find(invented) is None


def test_an_older_copy_does_not_hide_an_approval(bench: Bench) -> None:
    newer = certificate_request(conditions=[approved()])
    newer["metadata"]["resourceVersion"] = "12"
    bench.store.upsert(newer)
    older = certificate_request(conditions=[])
    older["metadata"]["resourceVersion"] = "11"
    bench.store.refresh(CertificateRequest(older))
    found = bench.store.get(KEY)
    assert found is not None
    assert found.approved


async def test_one_that_is_signed_brings_forward_what_was_put_off_with_it(bench: Bench) -> None:
    bench.with_ready_issuer()
    keys = [RequestKey("team-a", name) for name in ("one", "two", "three")]
    for key in keys:
        bench.with_request(name=key.name)
        bench.signer.signs.append(ServerFault(VaultRetry.VAULT_UNAVAILABLE, "502"))
        bench.kube.accepts_status()
        await bench.reconcile(key)
    assert (bench.queue.delayed, bench.queue.depth) == (3, 0)
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile(keys[0])
    assert bench.ready["reason"] == "Issued"
    assert [bench.queue.where(key) for key in keys] == [None, "line", "line"]
    assert bench.queue.failures(keys[1]) == 1, "its back-off stays"
    for key in keys[1:]:
        bench.reconciler.forget(key)
    assert bench.registry.put_off.known() == ()
