"""Requests for a CA that ends soon: refused before a call, or asked for with what is left."""

from __future__ import annotations

from datetime import timedelta

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.state.health.ca_expiry import CAValidity
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import CAEndsTooSoon, Failed
from issuer.signing.vault.profile import signing_profile
from issuer.signing.vault.reasons import VaultFailure
from tests.builders import NOW, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench

DAY = timedelta(days=1)


def ending(bench: Bench, hours: float, mode: str) -> Bench:
    """A Ready issuer whose CA is known to end so soon."""
    bench.with_ready_issuer()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(caExpiry=mode, verification="Strict")["spec"])
    entry.profile = signing_profile(spec)
    ends = NOW + timedelta(hours=hours)
    entry.ca_validity = {False: CAValidity("pki_int/sign/lab", NOW - timedelta(days=1000), ends)}
    return bench


async def test_a_request_that_would_outlive_the_ca_is_refused_without_a_call(bench: Bench) -> None:
    ending(bench, 40, "Refuse").with_request(duration="48h")
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "CAExpiresTooSoon" in bench.ready["message"]
    assert "39h55m0s" in bench.ready["message"]


async def test_a_shortened_request_asks_for_what_is_left_of_the_ca(bench: Bench) -> None:
    ending(bench, 40, "Shorten").with_request(duration="48h")
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "enough"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert [one.duration for one in bench.signer.asked] == [timedelta(hours=39, minutes=55)]


async def test_what_vault_finds_too_long_is_asked_for_once_more_as_the_ca_has_it_left(bench: Bench) -> None:
    ending(bench, 40, "Shorten").with_request()
    bench.signer.signs.extend([CAEndsTooSoon("no"), Failed(VaultFailure.REFUSED_BY_VAULT, "enough")])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert [one.duration for one in bench.signer.asked] == [timedelta(hours=39, minutes=55)] * 2


async def test_a_refusal_of_vaults_stands_where_nothing_may_be_shortened(bench: Bench) -> None:
    ending(bench, 40, "Refuse").with_request()
    bench.signer.signs.append(CAEndsTooSoon("no"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"


async def test_only_a_life_that_was_issued_counts_for_the_warning(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(duration="876000h")
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.ca_validity = {False: CAValidity("pki_int/sign/lab", NOW - DAY, NOW + 100 * DAY)}
    longest = entry.longest_issued[False]
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert longest.at is None
    bench.with_request(name="fits", duration="24h").signs()
    bench.kube.accepts_status()
    await bench.reconcile(RequestKey("team-a", "fits"))
    assert bench.ready["reason"] == "Issued", bench.ready
    assert longest.duration == timedelta(hours=24)


async def test_a_shortened_life_hides_no_other_from_the_warning(bench: Bench) -> None:
    entry = ending(bench, 30, "Shorten").registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(caExpiry="Shorten")["spec"])
    entry.profile = signing_profile(spec)
    bench.with_request(duration="876000h").signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued", bench.ready
    assert entry.longest_issued[False].at is None


async def test_a_request_waits_for_a_ca_that_has_expired(bench: Bench) -> None:
    ending(bench, -1, "Refuse").with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "CAExpired" in bench.ready["message"]
    assert bench.registry.entry(CLUSTER_ISSUER).reason == "CAExpired"
    assert bench.issuer_queue.delayed == 1, "it is checked soon"


async def test_an_expired_default_is_no_matter_while_certificates_come_from_another_ca(bench: Bench) -> None:
    ending(bench, -1, "Refuse").with_request(duration="48h")
    other = CAValidity("pki_int/sign/lab", NOW - DAY, NOW + 100 * DAY, "another")
    bench.registry.entry(CLUSTER_ISSUER).seen[False] = other
    bench.signer.signs.append(Failed(VaultFailure.REFUSED_BY_VAULT, "enough"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert [one.duration for one in bench.signer.asked] == [timedelta(hours=48)]


async def test_what_vault_refuses_for_a_ca_that_has_expired_waits(bench: Bench) -> None:
    """A role that may not be read names a CA that no check sees."""
    ending(bench, 4000, "Refuse").with_request()
    bench.signer.signs.append(CAEndsTooSoon("no", NOW - DAY))
    bench.kube.accepts_status()
    await bench.reconcile()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert bench.ready["reason"] == "Pending"
    assert (entry.ready, entry.reason, entry.half_open) == (False, "CAExpired", True)


async def test_an_expired_ca_for_cas_holds_up_requests_for_cas_alone(bench: Bench) -> None:
    ending(bench, 4000, "Refuse")
    entry = bench.registry.entry(CLUSTER_ISSUER)
    authority = {"path": "pki/root/sign-intermediate", "maxPathLength": 0}
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(certificateAuthority=authority)["spec"])
    entry.profile = signing_profile(spec)
    entry.ca_validity[True] = CAValidity("pki/root/sign-intermediate", NOW - 9 * DAY, NOW - DAY)
    bench.with_request(isCA=True, usages=["cert sign"], duration="48h")
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "CAExpired" in bench.ready["message"]
    assert (entry.ready, bench.queue.delayed) == (True, 1)
