"""A certificate in a program's memory is renewed on, whatever fails meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from issuer.agent.inprocess import RenewingCertificate, WantedCertificate
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.signing import FreshCertificate
from issuer.vault.errors import Unreachable
from tests.unit.agent.process.test_telling import made_at


class Enough(BaseException):
    """Ends the loop of a test."""


class Program:
    """A program's certificate on a clock of its own; `faults` are raised by the signings in turn."""

    def __init__(self, *faults: Exception | None) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)
        self.faults, self.slept, self.signed = list(faults), list[float](), 0
        session: Any = type("Session", (), {"client": None})()
        wanted = WantedCertificate("pki/sign/web", dns_names=("a.example.com",))
        self.certificate = RenewingCertificate(session, wanted, ServerClock(lambda: self.time))
        mine: Any = self.certificate
        mine._calls, mine._sleep = self, self._sleep

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        if len(self.slept) > 60:
            raise Enough

    async def sign(self, *_: object) -> FreshCertificate:
        fault = self.faults.pop(0) if self.signed and self.faults else None
        if fault is not None:
            raise fault
        self.signed += 1
        return FreshCertificate(made_at(self.time), "aa", ())

    async def is_revoked(self, _: str) -> bool:
        return False

    async def current_cas(self) -> tuple[()]:
        return ()

    async def run(self) -> None:
        await self.certificate.renew()
        with pytest.raises(Enough):
            await self.certificate.keep()


async def test_program_s_own_fault_ends_no_renewal() -> None:
    program, seen = Program(), list[x509.Certificate]()

    def told(certificate: x509.Certificate) -> None:
        seen.append(certificate)
        raise RuntimeError("the metrics server is away")

    program.certificate.on_renewed = told
    await program.run()
    assert len(seen) == program.signed > 3
    assert str(program.certificate.last_error) == "the metrics server is away"


async def test_unexpected_fault_is_noted_and_tried_again() -> None:
    program = Program(RuntimeError("odd"), KeyError("odd"))
    await program.run()
    assert program.signed > 3
    assert program.certificate.last_error is None


async def test_server_that_is_away_is_asked_again_before_the_end() -> None:
    program = Program(*(Unreachable("away", sent=False) for _ in range(30)))
    await program.certificate.renew()
    end = program.certificate.certificate.not_valid_after_utc
    with pytest.raises(Enough):
        await program.certificate.keep()
    assert program.signed > 1
    assert program.slept[-1] <= 3600
    assert end > program.time or program.signed > 1
