"""A certificate that comes back from a CA that is none of the issuer's."""

from __future__ import annotations

import pytest

from issuer.signing.outcomes import AnswerFault, Retry
from issuer.signing.signer import KnowsItsCAs
from issuer.signing.vault.reasons import VaultRetry
from issuer.x509.chains.anchors import Anchors
from issuer.x509.describe import fingerprint
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench


def knowing(bench: Bench, answer: bool | Exception) -> None:
    """The signer tells its own CAs from others', with this answer."""

    async def knows(_cas: object, *, is_ca: bool) -> bool:
        assert not is_ca
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.signer.knows = knows  # type: ignore[attr-defined]
    assert isinstance(bench.signer, KnowsItsCAs)


@pytest.mark.parametrize("answer", [False, Retry(VaultRetry.VAULT_UNAVAILABLE, "busy")], ids=["no", "busy"])
async def test_a_stranger_is_revoked_and_a_bad_answer(bench: Bench, answer: bool | Exception) -> None:
    """And so is one of which the backend can't say now whose it is: signing it again would not help."""
    bench.with_ready_issuer().with_request().signs()
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    knowing(bench, answer)
    await bench.reconcile()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "BadAnswer")
    assert entry.bad_answers.error is not None
    assert entry.bad_answers.error.fault is AnswerFault.ANOTHER_CA
    assert bench.ready["reason"] == "Pending"
    assert len(bench.signer.revoked) == 1
    assert len(bench.delivery.held) == 0


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_anchor_holds_for_what_comes_back(bench: Bench, trusted: bool) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.accepts_status()
    knowing(bench, True)
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.shared is not None
    entry.shared.anchors = Anchors.from_hex([fingerprint(bench.ca.root) if trusted else "00" * 32])
    if not trusted:
        bench.signer.revokes.append(None)
    await bench.reconcile()
    assert bench.ready["reason"] == ("Issued" if trusted else "Pending")
    assert entry.ready is trusted
    assert len(bench.signer.revoked) == (0 if trusted else 1)


async def test_what_another_ca_decided_fails_no_request(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs(extra_dns=("evil.example.com",))
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    knowing(bench, False)
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert bench.registry.entry(CLUSTER_ISSUER).reason == "BadAnswer"
