"""A worker that is ended at any await from the signing call on leaves no certificate that nobody knows of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.kube.errors import Conflict, Forbidden, Invalid, NotFound, ObjectTooLarge, Unavailable
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import NotRevoked
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.signing.vault.reasons import VaultRevocationReason
from issuer.x509.certificates import Certificate
from tests.builders import approved, certificate_request, csr_pem, signing_request
from tests.ca import TestCA
from tests.unit.controller.bench import KEY, Bench
from tests.unit.controller.fakes import ScriptedKube, ScriptedSigner


class SlowSigner(ScriptedSigner):
    """Lets others run before and after each call, as a connection does."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[SignedCertificate] = []

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        signed = await super().sign(request)
        self.made.append(signed)
        await asyncio.sleep(0)  # the answer is on its way
        return signed

    async def knows(self, _cas: Sequence[Certificate], *, is_ca: bool) -> bool:
        await asyncio.sleep(0)
        return not is_ca

    async def revoke(self, certificate_pem: str, *, is_ca: bool | None = None) -> None:
        await asyncio.sleep(0)
        await super().revoke(certificate_pem, is_ca=is_ca)
        await asyncio.sleep(0)


class SlowKube(ScriptedKube):
    """The same for the API server; `sent` are the writes that it may apply, whenever that is."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Object] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        await asyncio.sleep(0)
        found = await super().get(resource, name, namespace)
        await asyncio.sleep(0)
        return found

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        await asyncio.sleep(0)
        return await super().create(resource, body, namespace)

    async def replace_status(self, resource: Resource, body: Object) -> Object:
        self.sent.append(body)
        await asyncio.sleep(0)
        written = await super().replace_status(resource, body)
        await asyncio.sleep(0)
        return written


@dataclass
class Ended:
    """Awaits a coroutine, and cancels it where it waits for the `at`-th time; counts how often it waited."""

    inner: Awaitable[None]
    at: int
    points: int = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.inner.__await__()
        error: BaseException | None = None
        while True:
            try:
                waited = next(steps) if error is None else steps.throw(error)
            except StopIteration:
                return
            self.points, error = self.points + 1, None
            if self.points == self.at:
                error = asyncio.CancelledError()
                continue
            try:
                yield waited
            except BaseException as raised:  # noqa: BLE001 - it is the coroutine's
                error = raised


def well(bench: Bench) -> None:
    bench.signs()
    bench.kube.accepts_status()


def conflicting(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", Conflict("newer", status=409))
    bench.kube.expect("get", certificate_request())
    bench.kube.accepts_status()


def deleted(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))


def down(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", Unavailable("down"))


def refused(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", Invalid("no", status=422))
    bench.kube.accepts_status()


def refused_by_rbac(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", Forbidden("no", status=403))
    bench.kube.expect("create", {"status": {"allowed": False}})
    bench.kube.accepts_status()


def given_up(bench: Bench) -> None:
    """It fills the issuer's limit alone."""
    bench.delivery.refused.most = lambda _issuer: 1
    bench.signs()
    bench.kube.expect("replace_status", Invalid("no", status=422))
    bench.kube.accepts_status()


def too_large(bench: Bench) -> None:
    bench.signs()
    bench.kube.expect("replace_status", ObjectTooLarge("request is too large", status=500))
    bench.kube.expect("replace_status", ObjectTooLarge("request is too large", status=500))


def not_as_asked(bench: Bench) -> None:
    bench.signs(extra_dns=("other.lab.example.test",))
    bench.kube.accepts_status()


def of_another_key(bench: Bench) -> None:
    bench.signer.signs.append(lambda _request: bench.ca.sign(csr_pem("a.lab.example.test").decode()))
    bench.kube.accepts_status()


def garbled(bench: Bench) -> None:
    def sign(request: SigningRequest) -> SignedCertificate:
        return replace(bench.ca.sign(request.csr_pem), leaf_pem="-----BEGIN CERTIFICATE-----\nno\n")

    bench.signer.signs.append(sign)
    bench.kube.accepts_status()


def csr() -> Object:
    """A request of Kubernetes' own kind, which is read once more before it is written."""
    return signing_request(conditions=[approved()])


def csr_goes_well(bench: Bench) -> None:
    bench.stores[KubernetesCSR].upsert(csr())
    bench.signs()
    bench.kube.expect("get", csr())
    bench.kube.accepts_status()


def csr_is_deleted(bench: Bench) -> None:
    bench.stores[KubernetesCSR].upsert(csr())
    bench.signs()
    bench.kube.expect("get", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))


OF_CSRS = (csr_goes_well, csr_is_deleted)
CASES: list[Callable[[Bench], None]] = [
    well,
    conflicting,
    deleted,
    down,
    refused,
    refused_by_rbac,
    given_up,
    too_large,
    not_as_asked,
    of_another_key,
    garbled,
    *OF_CSRS,
]


@pytest.mark.parametrize("revokes", [True, False])
@pytest.mark.parametrize("case", CASES)
async def test_each_certificate_is_delivered_revoked_or_logged(
    ca: TestCA, case: Callable[[Bench], None], revokes: bool
) -> None:
    at, after_signing = 1, 0
    while True:
        ended, signed = await ended_at(ca, case, at, revokes=revokes)
        if ended.points < at:
            break  # it was over before
        after_signing += signed
        at += 1
    assert after_signing > 0, "no await between signing and delivery was found: nothing was shown"


async def ended_at(
    ca: TestCA, case: Callable[[Bench], None], at: int, *, revokes: bool
) -> tuple[Ended, bool]:
    """End a worker at that await, then shut down; return it, and True if something was signed by then."""
    signer = SlowSigner()
    kube = SlowKube()
    bench = Bench(ca, kube, signer).with_ready_issuer().with_request()
    case(bench)
    refused = NotRevoked(VaultRevocationReason.REVOCATION_REFUSED, "no")
    signer.revokes.extend([None if revokes else refused] * 20)
    key, asked = (RequestKey("", "one"), csr()) if case in OF_CSRS else (KEY, certificate_request())
    worker = Ended(bench.reconciler.reconcile(key), at)
    with capture_logs() as logs:
        with suppress(asyncio.CancelledError):
            await worker
        # Where the answer to a write was lost, the API server says what came of it.
        bench.kube.script.clear()
        bench.kube.expect("get", bench.kube.written[-1] if bench.kube.written else asked)
        await bench.delivery.close()
    for one in signer.made:
        assert not (_is_delivered(bench) and one.leaf_pem in signer.revoked), f"at await {at}: {logs}"
        late = case in (well, csr_goes_well) and bool(kube.sent)
        assert not (late and signer.revoked), f"at await {at} a write that may arrive yet was revoked"
        assert _is_accounted_for(one, bench, logs), f"ended at await {at} of {case.__name__}: {logs}"
    bench.queue.close()
    bench.issuer_queue.close()
    return worker, bool(signer.made)


def _is_delivered(bench: Bench) -> bool:
    return any((obj.get("status") or {}).get("certificate") for obj in bench.kube.written)


def _is_accounted_for(one: SignedCertificate, bench: Bench, logs: Sequence[Any]) -> bool:
    """Return True if it is delivered or revoked, or if the log has its serial or says that it may be."""
    logged = any(
        line.get("serial") == one.serial or (line["event"] == "outcome unknown" and line["uid"])
        for line in logs
        if line["log_level"] == "warning"
    )
    return _is_delivered(bench) or one.leaf_pem in bench.signer.revoked or logged
