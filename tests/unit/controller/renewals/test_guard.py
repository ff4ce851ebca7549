"""Requests of a Certificate that is renewed without end: what they say, and what ends their wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.renewals.issued import IssuedRequests
from issuer.controller.renewals.loops import Owner
from issuer.controller.state.health.ca_expiry import CAValidity
from issuer.controller.state.watched.certificates import Certificate, CertificateStore
from issuer.kube.errors import Forbidden, KubeError, NotFound
from issuer.kube.wire import Object
from tests.builders import NOW, approved, certificate_request, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench

HOUR = timedelta(hours=1)
UID = "7b0bd8c2-0000-4000-8000-000000000001"


def owned(name: str = "one", **more: Any) -> dict[str, Any]:
    """A request that cert-manager made for the Certificate team-a/web."""
    obj = certificate_request(name, **{"conditions": [approved()], **more})
    owner = {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": "web", "uid": UID}
    obj["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    return obj


def web(generation: int = 1, **spec: Any) -> dict[str, Any]:
    """The Certificate team-a/web."""
    reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "demo"}
    return {
        "metadata": {"namespace": "team-a", "name": "web", "uid": UID, "generation": generation},
        "spec": {"issuerRef": reference, **spec},
    }


def issued(name: str) -> dict[str, Any]:
    """One of its requests, answered a moment ago."""
    since = (NOW - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "reason": "Issued", "lastTransitionTime": since}
    return owned(name, conditions=[ready])


def seen(bench: Bench, count: int) -> Bench:
    """The watch has shown so many of them."""
    handler = IssuedRequests(bench.loops, bench.certificates, lambda: NOW)
    handler.begin()
    for number in range(count):
        handler.add(issued(f"before-{number}"))
    handler.end()
    return bench


def wake(bench: Bench) -> Callable[[tuple[str, str]], None]:
    """What the controller does when a Certificate is new or has changed."""

    def changed(name: tuple[str, str]) -> None:
        for key in bench.loops.waiting_for(*name):
            bench.queue.add(key)

    return changed


async def test_the_sixth_request_waits_and_says_why(bench: Bench) -> None:
    seen(bench.with_ready_issuer(), 5).certificates.upsert(web())
    bench.store.upsert(owned())
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert bench.ready["message"].startswith("RenewalLoop: Certificate web got 5 certificates within 10m0s")
    assert "2026-11-22T12:09:55Z" in bench.ready["message"]
    assert "kubectl describe certificate web -n team-a" in bench.ready["message"]
    assert ("Certificate", "Pending") in [event[:2] for event in bench.recorder.events]
    assert bench.queue.delayed == 1
    assert bench.loops.waiting_for("team-a", "web") == [KEY]
    put_off = "vault_issuer_request_attempts_put_off_total"
    assert bench.metrics.registry.get_sample_value(put_off, {"reason": "RenewalLoop"}) == 1


async def test_the_fifth_request_is_signed(bench: Bench) -> None:
    seen(bench.with_ready_issuer(), 4).certificates.upsert(web())
    bench.store.upsert(owned())
    bench.signs(life=2160 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_a_changed_certificate_is_signed_at_once(bench: Bench) -> None:
    seen(bench.with_ready_issuer(), 5).certificates.upsert(web())
    bench.store.upsert(owned())
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.certificates.upsert(web(generation=2))
    bench.signs(life=2160 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert bench.loops.waiting == 0


async def test_a_change_before_the_watch_showed_the_certificate_ends_the_wait(bench: Bench) -> None:
    bench.certificates = CertificateStore(on_change=wake(bench))
    bench.decider.renewals.owners.store = bench.certificates
    seen(bench.with_ready_issuer(), 5)
    bench.store.upsert(owned())
    bench.kube.expect("get", web())
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["message"].startswith("RenewalLoop: ")
    bench.certificates.upsert(web(generation=2))
    assert bench.queue.depth == 1
    bench.signs(life=2160 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_a_certificate_that_the_watch_shows_while_it_is_read_counts_as_the_watch_shows_it(
    bench: Bench,
) -> None:
    bench.with_ready_issuer()

    def read(_sent: Object) -> Object:
        bench.certificates.upsert(web(generation=2))
        return web()

    bench.kube.expect("get", read)
    found = await bench.decider.renewals.owners.find(Owner("team-a", "web", UID))
    assert found is not None
    assert found.generation == 2


async def test_a_waiting_request_that_goes_is_forgotten(bench: Bench) -> None:
    seen(bench.with_ready_issuer(), 5).certificates.upsert(web())
    bench.store.upsert(owned())
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.store.remove(owned())
    await bench.reconcile()
    assert bench.loops.waiting == 0


async def test_requests_without_a_certificate_are_never_held_back(bench: Bench) -> None:
    seen(bench.with_ready_issuer(), 50).with_request()
    bench.signs(life=2160 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


@pytest.mark.parametrize("watched", [True, False])
async def test_a_life_as_short_as_renew_before_fails_and_is_revoked(bench: Bench, watched: bool) -> None:
    bench.with_ready_issuer()
    certificate = web(renewBefore="720h")
    if watched:
        bench.certificates.upsert(certificate)
    else:
        bench.kube.expect("get", certificate)
    bench.store.upsert(owned(duration="1440h"))
    bench.signer.revokes.append(None)
    bench.signs(life=720 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    message = bench.ready["message"]
    assert message.startswith("TooShortToRenew: ")
    assert "with spec.renewBefore 720h0m0s" in message
    assert "Set spec.renewBefore to 240h0m0s or less" in message
    assert "have the CA give the 1440h0m0s" in message
    assert len(bench.signer.revoked) == 1
    failed = {"outcome": "failed", "reason": "TooShortToRenew"}
    assert bench.metrics.registry.get_sample_value("vault_issuer_requests_total", failed) == 1


async def test_the_same_life_is_delivered_to_a_certificate_that_renews_later(bench: Bench) -> None:
    bench.with_ready_issuer().certificates.upsert(web(renewBefore="240h"))
    bench.store.upsert(owned(duration="1440h"))
    bench.signs(life=720 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_what_is_left_of_the_ca_is_not_asked_for_where_it_is_too_short(bench: Bench) -> None:
    bench.with_ready_issuer().certificates.upsert(web(renewBefore="720h"))
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = VaultIssuerSpec.parse(issuer_object(caExpiry="Shorten")["spec"])
    ends = NOW + 720 * HOUR + timedelta(minutes=10)
    entry.ca_validity = {False: CAValidity("pki_int/sign/lab", NOW - 1000 * HOUR, ends)}
    bench.store.upsert(owned(duration="1440h"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.asked == []
    assert bench.ready["message"].startswith("TooShortToRenew: at most 720h5m0s can be given: with ")
    assert bench.ready["message"].endswith("Nothing was signed")


@pytest.mark.parametrize(
    "answer",
    [
        NotFound("gone", status=404),
        Forbidden("no", status=403),
        {**web(renewBefore="720h"), "metadata": {**web()["metadata"], "uid": "another"}},
    ],
)
async def test_without_the_certificate_the_usual_rule_holds(bench: Bench, answer: Any) -> None:
    bench.with_ready_issuer().store.upsert(owned(duration="1440h"))
    bench.kube.expect("get", answer)
    bench.signs(life=720 * HOUR).kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_a_refused_read_is_not_tried_for_each_request(bench: Bench) -> None:
    bench.with_ready_issuer()
    bench.kube.expect("get", Forbidden("no", status=403))
    for _ in range(2):
        bench.store.upsert(owned())
        bench.signs(life=2160 * HOUR).kube.accepts_status()
        await bench.reconcile()
        assert bench.ready["reason"] == "Issued"
        bench.store.remove(owned())


async def test_an_api_server_that_does_not_answer_is_asked_again_before_anything_is_signed(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().store.upsert(owned())
    bench.kube.expect("get", KubeError("down", status=503))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["message"].startswith("KubernetesUnavailable: could not read Certificate team-a/web")
    assert bench.signer.asked == []


def test_only_issued_requests_with_a_certificate_count(bench: Bench) -> None:
    handler = IssuedRequests(bench.loops, bench.certificates, lambda: NOW)
    failed = issued("one")
    failed["status"]["conditions"][0]["status"] = "False"
    for obj in (failed, owned("two"), certificate_request("three")):
        handler.upsert(obj)
    assert len(bench.loops) == 0
    handler.upsert(issued("four"))
    handler.remove(issued("four"))
    assert len(bench.loops) == 1


@pytest.mark.parametrize(
    ("spec", "ahead", "never"),
    [
        ({}, 240, False),
        ({"renewBefore": "100h"}, 100, False),
        ({"renewBeforePercentage": 50}, 360, False),
        ({"renewBefore": "soon"}, 240, False),
        ({"renewal": {"policy": "Disabled"}}, 240, True),
    ],
)
def test_the_renewal_is_read_from_the_certificate(spec: dict[str, Any], ahead: int, never: bool) -> None:
    renewal = Certificate.read(web(**spec), CLUSTER_ISSUER).renewal
    assert renewal.ahead(720 * HOUR) == ahead * HOUR
    assert renewal.never is never
