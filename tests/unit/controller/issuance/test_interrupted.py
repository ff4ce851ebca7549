"""An attempt that is interrupted at any await leaves no certificate that nobody knows of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.kube.errors import Unavailable
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.signing.signer import Health, SignedCertificate, SigningRequest
from tests.builders import approved, certificate_request, csr_pem
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench

TRACES = ("issued", "outcome unknown", "certificate not delivered", "certificate left behind")


class Signer:
    """Signs, with an await before and after, and wherever else it is asked."""

    def __init__(self, ca: TestCA, answer: Callable[[TestCA, str], SignedCertificate], knows: bool) -> None:
        self._ca, self._answer, self._knows = ca, answer, knows
        self.sent = False

    async def check(self) -> Health:
        raise AssertionError

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        await asyncio.sleep(0)
        request.before_sending()
        self.sent = True
        await asyncio.sleep(0)
        return self._answer(self._ca, request.csr_pem)

    async def knows(self, _cas: object, *, is_ca: bool) -> bool:
        await asyncio.sleep(0)
        return self._knows and not is_ca

    async def revoke(self, _certificate: str, *, is_ca: bool | None = None) -> None:
        await asyncio.sleep(0)

    async def close(self) -> None:
        await asyncio.sleep(0)


class Kube:
    """Takes a status after an await; `down` takes none."""

    def __init__(self, down: bool) -> None:
        self._down = down

    async def replace_status(self, _resource: Resource, body: Object) -> Object:
        await asyncio.sleep(0)
        if self._down:
            raise Unavailable("down")
        return body

    async def get(self, *_: object) -> Object:
        await asyncio.sleep(0)
        raise Unavailable("down")


def asked(ca: TestCA, csr: str) -> SignedCertificate:
    return ca.sign(csr)


def another_key(ca: TestCA, _csr: str) -> SignedCertificate:
    return ca.sign(csr_pem("a.lab.example.test").decode())


def more_names(ca: TestCA, csr: str) -> SignedCertificate:
    return ca.sign(csr, extra_dns=("evil.example.com",))


WAYS: dict[str, tuple[Callable[[TestCA, str], SignedCertificate], bool, bool]] = {
    "delivered": (asked, True, False),
    "not written": (asked, True, True),
    "another key": (another_key, True, False),
    "another CA": (asked, False, False),
    "not as asked": (more_names, True, False),
}


@pytest.mark.parametrize(("answer", "knows", "down"), WAYS.values(), ids=WAYS)
async def test_a_certificate_is_delivered_revoked_or_logged_wherever_it_is_interrupted(
    ca: TestCA, answer: Callable[[TestCA, str], SignedCertificate], knows: bool, down: bool
) -> None:
    """Interrupted after 0, 1, 2 … turns of the event loop, until it ends by itself."""
    interrupted = 0
    for turns in range(60):
        sent, ended, logs = await interrupt(ca, Signer(ca, answer, knows), Kube(down), turns)
        traces = [line["event"] for line in logs if line["event"] in TRACES]
        assert bool(traces) is sent, (turns, traces)
        if ended:
            break
        interrupted += sent
    else:
        raise AssertionError("it never ended by itself")
    assert interrupted >= 2


async def interrupt(ca: TestCA, signer: Signer, kube: Kube, turns: int) -> tuple[bool, bool, list[Any]]:
    """Cancel an attempt after so many turns, then end the process; if it was sent, if it ended before that,
    and the log."""
    bench = Bench(ca).with_ready_issuer()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.shared is not None
    entry.shared.signer = signer
    bench.writer.client = kube  # type: ignore[assignment]
    bench.store.upsert(certificate_request(conditions=[approved()]))
    with capture_logs() as logs:
        attempt = asyncio.create_task(bench.reconciler.reconcile(KEY))
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = attempt.done()
        attempt.cancel()
        await asyncio.wait([attempt])
        await bench.delivery.close()
    return signer.sent, ended, logs
