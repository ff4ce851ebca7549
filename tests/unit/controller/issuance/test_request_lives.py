"""Requests for a longer life than the CA gives: refused before a call, or asked for with what it gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from issuer.controller.state.health.ca_expiry import CAValidity
from issuer.requests.kubernetes_csr import DURATION, KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.lives import NO_BOUNDS, LifeBounds, TooLong
from issuer.signing.outcomes import Failed, LifeNotAllowed
from issuer.signing.vault.reasons import VaultFailure
from testbed.samples import policy
from tests.builders import NOW, approved, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench, with_meta
from tests.unit.controller.renewals.test_guard import owned, web

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
BOUNDS = LifeBounds(HOUR, DAY, 8 * HOUR, 'the claims of the provisioner "admin"')
ENOUGH = Failed(VaultFailure.REFUSED_BY_VAULT, "enough")


def bounded(bench: Bench, bounds: LifeBounds, too_long: TooLong = "Refuse") -> Bench:
    """A Ready issuer whose CA sets these bounds."""
    bench.with_ready_issuer()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.profile is not None
    entry.profile = replace(entry.profile, too_long=too_long)
    entry.lives = bounds
    bench.kube.accepts_status()
    return bench


def asked_for(bench: Bench) -> list[timedelta | None]:
    return [one.duration for one in bench.signer.asked]


@pytest.mark.parametrize(("duration", "limit"), [("48h", "24h0m0s"), ("30m", "1h0m0s")])
async def test_a_life_outside_the_bounds_fails_without_a_call(
    bench: Bench, duration: str, limit: str
) -> None:
    bounded(bench, BOUNDS).with_request(duration=duration)
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "DurationNotAllowed" in bench.ready["message"]
    assert limit in bench.ready["message"]
    assert asked_for(bench) == []


async def test_the_longest_life_is_asked_for_where_the_issuer_shortens(bench: Bench) -> None:
    bounded(bench, BOUNDS, "Shorten").with_request(duration="48h").signs()
    await bench.reconcile()
    assert asked_for(bench) == [DAY]
    assert bench.ready["reason"] == "Issued", bench.ready


async def test_who_names_no_duration_gets_the_usual_life(bench: Bench) -> None:
    bounded(bench, BOUNDS).with_request(duration=None)
    bench.signer.signs.append(ENOUGH)
    await bench.reconcile()
    assert asked_for(bench) == [8 * HOUR]


def chosen_by_the_ca(bench: Bench, longest: timedelta | None = None) -> Bench:
    """An issuer of a CA that has a usual life, and doesn't tell it."""
    return bounded(bench, LifeBounds(longest=longest, likely=DAY)).with_request(duration=None)


@pytest.mark.parametrize("longest", [None, 30 * DAY, 365 * DAY])
async def test_nothing_is_asked_where_the_ca_keeps_its_usual_life_to_itself(
    bench: Bench, longest: timedelta | None
) -> None:
    chosen_by_the_ca(bench, longest).signs()
    await bench.reconcile()
    assert asked_for(bench) == [None]
    assert bench.ready["reason"] == "Issued", bench.ready


async def test_a_limit_that_another_request_met_is_nobodys_usual_life(bench: Bench) -> None:
    chosen_by_the_ca(bench).signer.signs.append(ENOUGH)
    bench.registry.life_refused(CLUSTER_ISSUER, 30 * DAY)
    await bench.reconcile()
    assert asked_for(bench) == [None]


async def test_the_life_that_the_ca_chose_is_delivered_however_long(bench: Bench) -> None:
    chosen_by_the_ca(bench).signs(life=180 * DAY)
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued", bench.ready


async def test_a_life_that_the_ca_chose_may_be_shorter_than_renew_before(bench: Bench) -> None:
    """cert-manager then renews after two thirds of it."""
    chosen_by_the_ca(bench).signs(life=DAY)
    bench.certificates.upsert(web(renewBefore="720h"))
    bench.store.upsert(owned(duration=None))
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued", bench.ready


async def test_a_life_that_the_ca_chose_and_that_is_renewed_at_once_is_not_delivered(bench: Bench) -> None:
    chosen_by_the_ca(bench).signs(life=DAY)
    bench.certificates.upsert(web(renewBefore="23h55m"))
    bench.store.upsert(owned(duration=None))
    bench.signer.revokes.append(None)
    await bench.reconcile()
    assert "TooShortToRenew" in bench.ready["message"]
    assert "asked for" not in bench.ready["message"], "nobody asked for a life"


@pytest.mark.parametrize(
    ("left", "longest", "asked"),
    [
        (91 * DAY, None, None),
        (89 * DAY, None, DAY),
        (89 * DAY, 30 * DAY, None),
        (29 * DAY, 30 * DAY, DAY),
        (7 * HOUR, 8 * HOUR, 7 * HOUR - timedelta(minutes=5)),
    ],
)
async def test_a_life_is_named_near_the_end_of_the_ca(
    bench: Bench, left: timedelta, longest: timedelta | None, asked: timedelta | None
) -> None:
    chosen_by_the_ca(bench, longest).signer.signs.append(ENOUGH)
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.ca_validity = {False: CAValidity("step-ca", NOW - 1000 * DAY, NOW + left)}
    await bench.reconcile()
    assert asked_for(bench) == [asked]


@pytest.mark.parametrize(("longest", "asked"), [(30 * DAY, 30 * DAY), (365 * DAY, 90 * DAY)])
async def test_a_ca_that_is_always_told_a_life_is_told_90_days_within_its_bounds(
    bench: Bench, longest: timedelta, asked: timedelta
) -> None:
    bounded(bench, LifeBounds(longest=longest)).with_request(duration=None)
    bench.signer.signs.append(ENOUGH)
    await bench.reconcile()
    assert asked_for(bench) == [asked]


@pytest.mark.parametrize("duration", ["48h", None])
async def test_a_refusal_tells_the_life_for_this_request_and_the_next(
    bench: Bench, duration: str | None
) -> None:
    bounded(bench, LifeBounds(), "Shorten" if duration else "Refuse").with_request(duration=duration)
    bench.signer.signs.extend([LifeNotAllowed("too long", DAY), ENOUGH])
    await bench.reconcile()
    assert asked_for(bench)[1] == DAY
    assert bench.registry.entry(CLUSTER_ISSUER).lives.longest == DAY


async def test_a_refusal_fails_the_request_with_the_limit_where_nothing_is_shortened(bench: Bench) -> None:
    bounded(bench, LifeBounds()).with_request(duration="48h")
    bench.signer.signs.append(LifeNotAllowed("too long", DAY))
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "24h0m0s" in bench.ready["message"]
    assert len(asked_for(bench)) == 1


async def test_a_refusal_that_tells_no_life_fails_the_request(bench: Bench) -> None:
    bounded(bench, LifeBounds(), "Shorten").with_request(duration="48h")
    bench.signer.signs.append(LifeNotAllowed("too long"))
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"


async def asked_by_kubernetes(bench: Bench, **more: Any) -> None:
    """Have an approved CertificateSigningRequest worked on."""
    made = signing_request(conditions=[approved()], **more)
    bench.stores[KubernetesCSR].upsert(made)
    bench.kube.script.appendleft(("get", made))
    await bench.reconcile(RequestKey("", "one"))


@pytest.mark.parametrize(
    ("bounds", "more", "asked"),
    [
        (LifeBounds(likely=DAY), {}, None),
        (BOUNDS, {}, 8 * HOUR),
        (NO_BOUNDS, {}, 90 * DAY),
        (LifeBounds(likely=DAY), {"expirationSeconds": 7200}, 2 * HOUR),
        (LifeBounds(likely=DAY), {"annotations": {DURATION: "2h"}}, 2 * HOUR),
        (LifeBounds(likely=DAY), {"annotations": {DURATION: "240h"}}, DAY),
        (LifeBounds(longest=12 * HOUR, likely=DAY), {"annotations": {DURATION: "240h"}}, 12 * HOUR),
        (NO_BOUNDS, {"annotations": {DURATION: "10000h"}}, 90 * DAY),
    ],
)
async def test_a_kubernetes_csr_that_names_no_life_gets_the_cas_usual_one(
    bench: Bench, bounds: LifeBounds, more: dict[str, Any], asked: timedelta | None
) -> None:
    """An annotation can be set after the approval: it shortens that life, and never lengthens it."""
    bounded(bench, bounds).signer.signs.append(ENOUGH)
    await asked_by_kubernetes(bench, **more)
    assert asked_for(bench) == [asked]


@pytest.mark.parametrize(("limit", "asked"), [("1h", HOUR), ("48h", DAY)])
async def test_the_policys_longest_life_bounds_one_that_only_the_ca_knows(
    bench: Bench, limit: str, asked: timedelta
) -> None:
    bounded(bench, LifeBounds(likely=DAY)).signer.signs.append(ENOUGH)
    open_policy = policy(
        "everything",
        {"dnsNames": {"values": ["*"]}, "usages": ["digital signature", "key encipherment"]},
        constraints={"maxDuration": limit},
    )
    bench.policies.upsert(with_meta(open_policy, generation=2))
    await asked_by_kubernetes(bench)
    assert asked_for(bench) == [asked]
