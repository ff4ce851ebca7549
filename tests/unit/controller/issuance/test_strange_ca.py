"""A certificate that comes back from a CA that is none of the issuer's."""

from __future__ import annotations

import pytest

from issuer.signing.outcomes import IssuerBroken, Retry
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


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """A request at a Ready issuer that others wait for, and that was found broken before."""
    bench.with_ready_issuer().with_request().signs()
    bench.registry.half_open(CLUSTER_ISSUER)
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    return bench


async def test_a_stranger_is_revoked_told_once_and_proves_nothing(ready: Bench) -> None:
    knowing(ready, False)
    await ready.reconcile()
    entry = ready.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason, entry.half_open) == (False, "UnknownCA", True)
    assert isinstance(entry.stranger, IssuerBroken)
    assert ready.ready["reason"] == "Pending"
    assert len(ready.signer.revoked) == 1
    assert len(ready.delivery) == 0


async def test_a_backend_that_cannot_say_now_delivers_nothing(ready: Bench) -> None:
    knowing(ready, Retry(VaultRetry.VAULT_UNAVAILABLE, "busy"))
    await ready.reconcile()
    assert ready.registry.entry(CLUSTER_ISSUER).ready
    assert ready.ready["reason"] == "Pending"
    assert len(ready.signer.revoked) == 1


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
