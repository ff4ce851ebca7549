"""A signer is used only while the Secrets that it was made from are unchanged, and they are read seldom."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from issuer.api.issuers import IssuerSpec
from issuer.controller.access.permissions import ApprovalRights
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.signers import BELIEVED_SECONDS, CheckOutdated
from issuer.controller.scheduling.checks import CheckFlows
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, KubeError, NotFound, Unavailable
from issuer.kube.events import EventRecorder
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import PreparedSigner
from issuer.signing.backends import built_in
from issuer.signing.outcomes import Retry
from issuer.signing.reasons import SigningIssuerReason, SigningRetry
from issuer.signing.signer import Health
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench
from tests.unit.controller.fakes import ScriptedKube, ScriptedSigner

LOGIN, CA = ("login", "7"), ("vault-ca", "8")
GONE = NotFound("gone", status=404)


def version(one: str) -> Object:
    return {"metadata": {"resourceVersion": one}}


class Counting(ScriptedKube):
    """Answers every GET of a Secret once it is let go, and counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Object | KubeError = version("7")
        self.read: list[str] = []
        self.go = asyncio.Event()

    async def get(self, _resource: object, name: str, namespace: str | None = None) -> Object:
        self.read.append(f"{namespace}/{name}")
        await self.go.wait()
        if isinstance(self.answer, KubeError):
            raise self.answer
        return self.answer


class Connecting:
    """Prepares a signer from one Secret, and takes so many seconds for that."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.takes = bench, 0.0

    async def prepare(self, _key: IssuerKey, _spec: IssuerSpec) -> PreparedSigner:
        self.bench.seconds += self.takes
        return PreparedSigner((LOGIN,), ScriptedSigner)


@pytest.fixture
def counted(ca: TestCA) -> tuple[Bench, Counting]:
    kube = Counting()
    bench = Bench(ca, kube).with_ready_issuer(LOGIN)
    return bench, kube


def entry(bench: Bench) -> IssuerEntry:
    return bench.registry.entry(CLUSTER_ISSUER)


def issuer_reconciler(bench: Bench) -> IssuerReconciler:
    client, backends = cast(KubeClient, bench.kube), built_in()
    rights = cast(ApprovalRights, bench.rights)
    return IssuerReconciler(
        stores=bench.issuers,
        registry=bench.registry,
        queue=bench.issuer_queue,
        flows=CheckFlows(bench.issuers, workers=1, longest=60, backends=backends),
        checker=IssuerChecker(
            client,
            bench.issuers,
            bench.registry,
            backends,
            bench.signers,
            bench.policies,
            rights,
            cast(RevocationRights, bench.rights),
        ),
        reporter=IssuerReporter(client, bench.issuers, backends, cast(EventRecorder, bench.recorder)),
        metrics=bench.metrics,
        defects=bench.defects,
        period=60,
    )


async def test_a_thousand_that_wait_at_once_cost_one_read(counted: tuple[Bench, Counting]) -> None:
    bench, kube = counted
    waiting = [asyncio.create_task(bench.signers.unchanged(entry(bench))) for _ in range(1000)]
    await asyncio.sleep(0)
    kube.go.set()
    assert all(await asyncio.gather(*waiting))
    assert kube.read == ["vault-issuer-system/login"]


async def test_a_reading_is_believed_for_five_seconds_from_its_beginning(
    counted: tuple[Bench, Counting],
) -> None:
    bench, kube = counted
    kube.go.set()
    reads = []
    for second in range(12):
        bench.seconds = second
        assert await bench.signers.unchanged(entry(bench))
        reads.append(len(kube.read))
    assert BELIEVED_SECONDS == 5
    assert reads == [1] * 5 + [2] * 5 + [3] * 2


async def test_one_that_stops_waiting_takes_nothing_from_the_others(counted: tuple[Bench, Counting]) -> None:
    bench, kube = counted
    leaving, staying = (asyncio.create_task(bench.signers.unchanged(entry(bench))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    kube.go.set()
    assert await staying
    assert len(kube.read) == 1


async def test_an_issuer_without_secrets_reads_nothing(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer()
    assert await bench.signers.unchanged(entry(bench))


@pytest.mark.parametrize("answer", [GONE, Forbidden("no", status=403), version("9")], ids=["404", "403", "9"])
async def test_any_secret_that_is_not_as_it_was_has_the_signer_dropped_and_the_issuer_checked(
    ca: TestCA, answer: Object | KubeError
) -> None:
    bench = Bench(ca).with_ready_issuer(LOGIN, CA)
    bench.issuer_queue.retry(CLUSTER_ISSUER)
    bench.kube.expect("get", version("7"))
    bench.kube.expect("get", answer)
    assert not await bench.signers.unchanged(entry(bench))
    assert (entry(bench).ready, entry(bench).shared) == (False, None)
    assert entry(bench).reason is ControllerIssuerReason.CHANGED
    assert "vault-issuer-system/vault-ca" in entry(bench).message
    assert "login" not in entry(bench).message
    assert bench.signer.closed, "with it goes its login"
    assert bench.issuer_queue.where(CLUSTER_ISSUER) == "line"
    assert bench.issuer_queue.failures(CLUSTER_ISSUER) == 0


async def test_an_api_server_that_cannot_say_leaves_the_signer_and_is_asked_again(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer(LOGIN)
    bench.kube.expect("get", Unavailable("down"))
    with pytest.raises(Retry) as raised:
        await bench.signers.unchanged(entry(bench))
    assert raised.value.reason is SigningRetry.KUBERNETES_UNAVAILABLE
    assert entry(bench).ready
    bench.kube.expect("get", version("7"))
    assert await bench.signers.unchanged(entry(bench))


async def test_a_secret_that_may_not_be_read_for_a_moment_is_read_again(ca: TestCA) -> None:
    """The check opens the same signer again: the refusal must not be remembered for it."""
    bench = Bench(ca).with_ready_issuer(LOGIN)
    shared = entry(bench).shared
    bench.kube.expect("get", Forbidden("no", status=403))
    assert not await bench.signers.unchanged(entry(bench))
    entry(bench).shared = shared
    bench.registry.mark_ready(CLUSTER_ISSUER)
    bench.kube.expect("get", version("7"))
    assert await bench.signers.unchanged(entry(bench))


async def test_a_check_counts_as_a_reading_from_its_beginning(counted: tuple[Bench, Counting]) -> None:
    bench, kube = counted
    kube.go.set()
    connector = Connecting(bench)
    bench.signers.connectors = {CLUSTER_ISSUER.kind: connector}
    connector.takes = 2.0
    spec = entry(bench).spec
    assert spec is not None
    await bench.signers.open(CLUSTER_ISSUER, "uid-1", 1, spec)
    bench.seconds += 2.9
    assert await bench.signers.unchanged(entry(bench))
    assert not kube.read
    bench.seconds += 0.1
    assert await bench.signers.unchanged(entry(bench))
    assert len(kube.read) == 1


async def test_secrets_read_for_another_generation_open_nothing(counted: tuple[Bench, Counting]) -> None:
    bench, _ = counted
    bench.signers.connectors = {CLUSTER_ISSUER.kind: Connecting(bench)}
    spec, before = entry(bench).spec, entry(bench).shared
    assert spec is not None
    with pytest.raises(CheckOutdated):
        await bench.signers.open(CLUSTER_ISSUER, "uid-1", 2, spec)
    assert entry(bench).shared is before


async def test_a_check_whose_secret_changed_meanwhile_says_nothing_and_is_begun_again(ca: TestCA) -> None:
    class Changing(ScriptedSigner):
        async def check(self) -> Health:
            bench.kube.expect("get", GONE)
            bench.seconds += BELIEVED_SECONDS
            assert not await bench.signers.unchanged(entry(bench))
            return Health("")

    bench = Bench(ca, signer=Changing()).with_ready_issuer(LOGIN)
    bench.signers.connectors = {CLUSTER_ISSUER.kind: Connecting(bench)}
    await issuer_reconciler(bench).reconcile(CLUSTER_ISSUER)
    assert not bench.kube.written
    assert not entry(bench).ready
    assert bench.issuer_queue.where(CLUSTER_ISSUER) == "line"


async def test_a_signer_that_is_used_until_it_is_replaced_is_given_to_nobody_else(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer(LOGIN)
    bench.kube.expect("get", version("7"))
    shared = await bench.signers.usable(CLUSTER_ISSUER)
    assert shared is entry(bench).shared
    bench.seconds = BELIEVED_SECONDS
    bench.kube.expect("get", GONE)
    with pytest.raises(Retry) as raised:
        await bench.signers.usable(CLUSTER_ISSUER)
    assert "has changed" in raised.value.message


async def test_a_request_waits_quietly_and_nothing_is_signed(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer(LOGIN).with_request()
    bench.kube.expect("get", GONE)
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert not bench.kube.written, "its check says in a moment what is wrong"
    await bench.reconcile()  # another that comes before the check
    assert not bench.kube.written
    bench.kube.accepts_status()
    bench.registry.mark_broken(CLUSTER_ISSUER, ControllerIssuerReason.INTERNAL_ERROR, "what the check found")
    await bench.reconcile()
    assert "what the check found" in bench.ready["message"]


async def test_a_request_is_put_off_while_the_api_server_cannot_say(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer(LOGIN).with_request()
    bench.kube.expect("get", Unavailable("down"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert "KubernetesUnavailable" in bench.ready["message"]
    bench.kube.expect("get", version("7"))
    bench.kube.accepts_status()
    bench.signs()
    await bench.reconcile()
    assert bench.signer.signed == 1


async def test_a_request_says_why_it_waits_though_the_check_ended_before_it_waited(ca: TestCA) -> None:
    """The check begins when a Secret is seen to have changed, before the old signer is closed."""

    class Closing(ScriptedSigner):
        async def close(self) -> None:
            bench.registry.mark_broken(
                CLUSTER_ISSUER, SigningIssuerReason.SECRET_NOT_FOUND, "no Secret login"
            )

    bench = Bench(ca, signer=Closing()).with_ready_issuer(LOGIN).with_request()
    bench.kube.expect("get", GONE)
    await bench.reconcile()
    assert bench.queue.where(KEY) == "line"
    bench.kube.accepts_status()
    await bench.reconcile()
    assert "no Secret login" in bench.ready["message"]
