"""A signed certificate is delivered once, or revoked where its request is gone."""

from __future__ import annotations

import pytest

from issuer.kube.errors import Conflict, NotFound, Unavailable
from issuer.kube.wire import Object
from issuer.signing.outcomes import (
    NotRevoked,
)
from issuer.signing.vault.reasons import (
    VaultRevocationReason,
)
from tests.builders import approved, certificate_request, condition
from tests.unit.controller.bench import KEY, Bench


async def test_without_the_leadership_nothing_is_signed(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.leading = False
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.queue.delayed == 1


async def test_a_signed_certificate_outlives_a_failed_write_and_is_not_signed_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    assert len(bench.delivery.held) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.ready["reason"] == "Issued"
    assert len(bench.delivery.held) == 0


async def test_a_conflict_is_read_again_and_the_same_certificate_delivered(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    fresh = bench.store.get(KEY)
    assert fresh is not None
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect(
        "get", {**fresh.object, "metadata": {**fresh.object["metadata"], "resourceVersion": "9"}}
    )
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.kube.written[-1]["metadata"]["resourceVersion"] == "9"


async def test_a_write_whose_answer_was_lost_counts_as_delivered(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    arrived: list[Object] = []

    def lose(sent: Object) -> Unavailable:
        arrived.append(sent)
        return Unavailable("timeout")

    bench.kube.expect("replace_status", lose)
    await bench.reconcile()
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", lambda _sent: arrived[0])
    await bench.reconcile()
    assert len(bench.delivery.held) == 0
    assert bench.signer.revoked == []
    assert bench.store.get(KEY) is None


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_request_deleted_between_signing_and_writing_has_its_certificate_revoked(
    bench: Bench, allowed: bool
) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.signer.revokes.append(
        None if allowed else NotRevoked(VaultRevocationReason.REVOCATION_NOT_PERMITTED, "no")
    )
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile()
    assert len(bench.delivery.held) == 0
    assert (
        bench.metrics.registry.get_sample_value(
            "vault_issuer_certificates_discarded_total", {"cause": "deleted", "revoked": str(allowed).lower()}
        )
        == 1
    )


async def test_a_request_denied_between_signing_and_writing_is_revoked_and_answered_as_denied(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs()
    seen = bench.store.get(KEY)
    assert seen is not None
    denied = {**seen.object, "status": {"conditions": [condition("Denied")]}}
    bench.signer.revokes.append(None)
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", denied)
    await bench.reconcile()
    assert len(bench.signer.revoked) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.ready["reason"] == "Denied"


async def test_a_request_made_again_under_the_same_name_does_not_get_the_old_certificate(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    bench.store.upsert(certificate_request(uid="another", conditions=[approved()]))
    again = bench.store.get(KEY)
    assert again is not None
    bench.kube.expect("get", again.object)
    bench.signer.revokes.append(None)
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 2
    assert len(bench.signer.revoked) == 1
    assert bench.kube.written[-1]["metadata"]["uid"] == "another"


async def test_an_old_event_after_the_answer_does_not_sign_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    seen = bench.store.get(KEY)
    assert seen is not None
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.store.upsert(seen.object)
    await bench.reconcile()
    assert bench.signer.signed == 1


async def test_a_request_made_again_while_its_certificate_is_discarded_is_not_lost(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    again = certificate_request(uid="another", conditions=[approved()])

    async def revoke(certificate_pem: str, *, is_ca: bool | None = None) -> None:
        bench.store.remove(certificate_request())
        bench.store.upsert(again)

    bench.signer.revoke = revoke  # type: ignore[method-assign]
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile()
    found = bench.store.get(KEY)
    assert found is not None
    assert found.uid == "another"


async def test_a_held_certificate_backs_off_while_the_api_server_is_away(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    bench.store.drop(KEY)
    for _ in range(3):
        bench.kube.expect("get", Unavailable("down"))
        await bench.reconcile()
    assert bench.queue.failures(KEY) == 4
