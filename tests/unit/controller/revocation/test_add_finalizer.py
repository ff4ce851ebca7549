"""In the modes that revoke, a request is marked before it is signed; what is being deleted is not signed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, NotFound
from issuer.kube.wire import Object
from issuer.requests.finalizer import FINALIZER, SECRET_ANNOTATION
from issuer.signing.vault.profile import signing_profile
from tests.builders import issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench

NAMED = {"annotations": {"cert-manager.io/certificate-name": "web"}}


class Rights:
    """Whether Secrets may be read."""

    problem: str | None = None

    async def secret_problem(self, _namespace: str, _secret: str) -> str | None:
        return self.problem


def revoking(bench: Bench, policy: str = "OnDelete") -> Rights:
    """Make the bench's issuer revoke, and its requests need the finalizer."""
    bench.with_ready_issuer()
    rights = Rights()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = spec = VaultIssuerSpec.parse(issuer_object(revocation={"policy": policy})["spec"])
    entry.profile = signing_profile(spec)
    bench.checks.finalizer = RevocationFinalizer(cast(KubeClient, bench.kube), cast(RevocationRights, rights))
    return rights


def marked(sent: Object) -> Object:
    """The API server's answer to the write."""
    return {**sent, "metadata": {**sent["metadata"], "resourceVersion": "2"}}


def metadata(bench: Bench, **more: Any) -> Object:
    """Change the request's metadata in the store; the object as the API server has it then."""
    known = bench.store.get(KEY)
    assert known is not None
    known.object["metadata"].update(more)
    bench.store.refresh(known)
    return {**known.object, "metadata": {**known.object["metadata"], "labels": {"team": "x"}}}


def read(bench: Bench, current: Object) -> None:
    """The next call reads the whole request."""
    bench.kube.expect("get", current)


def certificate(secret: str = "web-tls") -> Object:
    return {"spec": {"secretName": secret}}


async def test_the_finalizer_goes_on_before_signing_and_the_next_attempt_signs(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    read(bench, metadata(bench, **NAMED))
    bench.kube.expect("get", certificate())
    bench.kube.expect("replace", marked)
    await bench.reconcile()
    written = bench.kube.replaced[-1]["metadata"]
    assert written["finalizers"] == [FINALIZER]
    assert written["annotations"][SECRET_ANNOTATION] == "web-tls"
    assert written["resourceVersion"] == "1"
    assert written["labels"] == {"team": "x"}, "what isn't kept here is not taken away"
    assert bench.queue.depth == 1

    bench.signs().kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert bench.kube.written[-1]["metadata"]["resourceVersion"] == "2"
    assert bench.kube.written[-1]["metadata"]["finalizers"] == [FINALIZER]


async def test_never_mode_takes_one_write(bench: Bench) -> None:
    revoking(bench, "Never")
    bench.with_request().signs().kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert not bench.kube.replaced


async def test_a_request_without_a_certificate_gets_the_finalizer_alone(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    read(bench, metadata(bench))
    bench.kube.expect("replace", marked)
    await bench.reconcile()
    assert SECRET_ANNOTATION not in bench.kube.replaced[-1]["metadata"]["annotations"]


async def test_a_certificate_that_is_gone_is_no_obstacle(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    read(bench, metadata(bench, **NAMED))
    bench.kube.expect("get", NotFound("gone", status=404))
    bench.kube.expect("replace", marked)
    await bench.reconcile()
    assert SECRET_ANNOTATION not in bench.kube.replaced[-1]["metadata"]["annotations"]


async def test_nothing_is_signed_when_the_secret_could_not_be_looked_at_later(bench: Bench) -> None:
    rights = revoking(bench)
    rights.problem = "may not read the Secret web-tls"
    bench.with_request()
    read(bench, metadata(bench, **NAMED))
    bench.kube.expect("get", certificate())
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert bench.ready["message"] == "RevocationForbidden: may not read the Secret web-tls"
    assert bench.signer.signed == 0


async def test_a_mark_that_somebody_else_made_is_made_again(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    tampered = {**NAMED["annotations"], SECRET_ANNOTATION: "nothing"}
    read(bench, metadata(bench, annotations=tampered, finalizers=[FINALIZER, "other/one"]))
    bench.kube.expect("get", certificate())
    bench.kube.expect("replace", marked)
    await bench.reconcile()
    written = bench.kube.replaced[-1]["metadata"]
    assert written["finalizers"] == ["other/one", FINALIZER]
    assert written["annotations"][SECRET_ANNOTATION] == "web-tls"
    assert bench.signer.signed == 0


async def test_after_a_restart_a_good_mark_is_checked_and_not_written_again(bench: Bench) -> None:
    rights = revoking(bench)
    rights.problem = "may not read the Secret web-tls"
    bench.with_request()
    current = metadata(
        bench, annotations={**NAMED["annotations"], SECRET_ANNOTATION: "web-tls"}, finalizers=[FINALIZER]
    )
    read(bench, current)
    bench.kube.expect("get", certificate())
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0, "the right to read the Secret is asked for all the same"
    rights.problem = None
    read(bench, current)
    bench.kube.expect("get", certificate())
    await bench.reconcile()
    assert not bench.kube.replaced
    bench.signs().kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_a_refused_mark_is_told_and_the_issuer_stays_ready(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    read(bench, metadata(bench))
    bench.kube.expect("replace", Forbidden("an admission rule says no", status=403))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert "an admission rule says no" in bench.ready["message"]
    assert bench.registry.entry(CLUSTER_ISSUER).ready


async def test_a_request_that_changed_meanwhile_is_decided_anew(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    read(bench, metadata(bench))
    bench.kube.expect("replace", Conflict("changed", status=409))
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.queue.delayed == 1


@pytest.mark.parametrize("changed", [{"resourceVersion": "7"}, {"uid": "another"}])
async def test_a_request_that_is_another_by_now_is_not_marked(bench: Bench, changed: Object) -> None:
    revoking(bench)
    bench.with_request()
    current = metadata(bench)
    read(bench, {**current, "metadata": {**current["metadata"], **changed}})
    await bench.reconcile()
    assert (bench.signer.signed, bench.kube.replaced, bench.queue.delayed) == (0, [], 1)


async def test_what_is_being_deleted_is_not_signed(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    metadata(bench, deletionTimestamp="2026-11-22T12:00:00Z")
    await bench.reconcile()
    known = bench.store.get(KEY)
    assert known is not None
    bench.store.upsert(known.object)
    assert bench.store.get(KEY) is None


async def test_a_certificate_for_a_request_that_is_being_deleted_is_discarded(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    known = bench.store.get(KEY)
    assert known is not None
    meta = {
        **known.object["metadata"],
        "deletionTimestamp": "2026-11-22T12:00:00Z",
        "finalizers": [FINALIZER],
    }
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", {**known.object, "metadata": meta})
    bench.signer.revokes.append(None)
    await bench.reconcile()
    assert len(bench.signer.revoked) == 1
    assert len(bench.delivery.held) == 0
    assert bench.store.get(KEY) is None
    assert bench.queue.depth == 0


def test_the_spec_decides_whether_a_mark_is_wanted(bench: Bench) -> None:
    revoking(bench)
    bench.with_request()
    request, finalizer = bench.store.get(KEY), bench.checks.finalizer
    assert request is not None
    assert finalizer is not None
    spec = bench.registry.entry(CLUSTER_ISSUER).spec
    assert finalizer.is_missing(request, spec)
    assert not finalizer.is_missing(request, VaultIssuerSpec.parse(issuer_object()["spec"]))
    assert not finalizer.is_missing(request, None)
