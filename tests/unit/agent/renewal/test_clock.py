"""The server's clock, and a machine's clock that somebody sets while the agent runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from issuer.agent.config.model import CertificateSpec
from issuer.agent.renewal import signing
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keys import new_key
from issuer.agent.renewal.signing import CertificateCalls, UnusableAnswer
from issuer.vault.paths import Mode, SignPath
from issuer.vault.pki import Signed
from tests.unit.agent.process.test_telling import LIFE, Machine

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_difference_is_dropped_once_the_clock_is_set() -> None:
    local, ticks = NOW, 100.0
    clock = ServerClock(lambda: local, ticks=lambda: ticks)

    def known() -> bool:
        return clock.is_known

    assert not known()
    clock.take(HOUR)
    local, ticks = NOW + HOUR, 3700.0
    assert known()
    assert clock.now() == NOW + 2 * HOUR
    local += HOUR  # set right, by hand or NTP
    assert not known()
    assert clock.now() == local
    assert clock.skew == timedelta(0)
    clock.take(timedelta(seconds=1))
    assert known()
    assert clock.now() == local


class Vault:
    """A session and PKI path that sign at `NOW`."""

    client: Any = None

    def __init__(self) -> None:
        self.revoked = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        self._ca = self._certificate(self._name, self._key.public_key(), NOW - 99 * HOUR, 9999 * HOUR)

    def _certificate(self, subject: x509.Name, key: Any, begin: datetime, life: timedelta) -> Any:
        is_ca = subject == self._name
        names = x509.SubjectAlternativeName([x509.DNSName("a.example.com")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + life)
            .add_extension(x509.BasicConstraints(is_ca, None) if is_ca else names, critical=is_ca)
            .sign(self._key, hashes.SHA256())
        )

    async def call(self, asked: Any) -> Any:
        return await asked("token")

    ask = call

    async def sign(self, _token: str, csr: str, _sent: object) -> Signed:
        asked = x509.load_pem_x509_csr(csr.encode())
        leaf = self._certificate(asked.subject, asked.public_key(), NOW - timedelta(seconds=30), 72 * HOUR)
        pems = [one.public_bytes(Encoding.PEM).decode() for one in (leaf, self._ca)]
        return Signed(pems[0], (pems[1],), "7")

    async def revoke_own(self, *_: object) -> None:
        self.revoked += 1


@pytest.mark.parametrize("answers", [True, False])
async def test_answer_is_judged_by_the_servers_time_before_it_is_refused(
    answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def server_time(_: object) -> datetime | None:
        return NOW if answers else None

    monkeypatch.setattr(signing, "server_time", server_time)
    vault: Any = Vault()
    calls = CertificateCalls(vault, SignPath("pki", None, Mode.SIGN, "web"))
    monkeypatch.setattr(calls, "_pki", vault)
    spec = CertificateSpec.model_validate(
        {"name": "web", "folder": "/tls", "path": "pki/sign/web", "dnsNames": ["a.example.com"], "ttl": "72h"}
    )
    if answers:
        await calls.sign(spec, new_key(spec.key), NOW - HOUR)
    else:
        with pytest.raises(UnusableAnswer):
            await calls.sign(spec, new_key(spec.key), NOW - HOUR)
    assert vault.revoked == (not answers)


async def test_clock_of_the_server_that_was_ahead_puts_off_no_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look at revocation seemed to be years away."""
    machine = Machine(tmp_path)
    await machine.keeper.step()
    asked: list[str] = []

    async def is_revoked(serial: str) -> bool:
        asked.append(serial)
        return False

    async def signer() -> str:
        return "a"

    monkeypatch.setattr(machine.signing, "is_revoked", is_revoked)
    monkeypatch.setattr(machine.keeper, "_default_signer", signer)
    machine.keeper._checked_at = machine.time + LIFE * 1000
    await machine.keeper.step()
    await machine.keeper.step()
    assert len(asked) == 1
