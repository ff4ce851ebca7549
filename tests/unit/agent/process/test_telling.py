"""A consumer that refuses its new files, and what can go wrong on the way back to the old ones."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import AgentError, DiskRefused
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.opening import seen_set
from issuer.agent.hooks.errors import ConsumerRefused
from issuer.agent.hooks.records import HookOutcome
from issuer.agent.process.telling import Telling
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.holding import FIRST_HOLD, LONGEST_HOLD
from issuer.agent.renewal.keepers.certificates import CertificateKeeper
from issuer.agent.renewal.keepers.delivered import DeliveredAnswer, DeliveredKeeper
from issuer.agent.renewal.looks import RenewalReason
from issuer.agent.renewal.signing import FreshCertificate

LIFE = timedelta(hours=10)


def made_at(begin: datetime) -> CertificateSet:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example.com")])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return CertificateSet((), (leaf,), leaf, der)


class Signing:
    """Signs at the time of a clock; notes what was signed and revoked."""

    issues = False

    def __init__(self, now: Any) -> None:
        self._now = now
        self.signed: list[str] = []
        self.revoked: list[str] = []

    async def sign(self, *_: object) -> FreshCertificate:
        made = made_at(self._now())
        self.signed.append(f"{made.leaf.serial_number:x}")
        return FreshCertificate(made, self.signed[-1], ())

    async def is_revoked(self, _: str) -> bool:
        return False

    async def current_cas(self) -> tuple[()]:
        return ()

    async def revoke(self, _pem: str, serial: str, *_: object) -> bool:
        self.revoked.append(serial)
        return True


class Machine:
    """One set, its keeper and its consumer, whose hook gives prepared answers."""

    def __init__(self, folder: Path, *, delivered: bool = False) -> None:
        self._folder = folder
        self.time = datetime.now(UTC).replace(microsecond=0)
        self.signing = Signing(lambda: self.time)
        certificate: dict[str, Any] = {"name": "web", "folder": str(folder / "web")}
        if delivered:
            certificate["delivered"] = True
        else:
            certificate |= {"path": "pki/sign/web", "dnsNames": ["a.example.com"]}
        self.copies = folder / "copies"
        certificate["copies"] = [{"path": str(self.copies / "c.pem"), "kind": "combined"}]
        consumer = {"name": "server", "sets": ["web"], "user": getpass.getuser(), "command": ["/bin/true"]}
        file = AgentFile.model_validate(
            {
                "vault": {"server": "https://vault.example.com", "login": {"token": {"file": "/token"}}},
                "certificates": [certificate],
                "consumers": [consumer],
            }
        )
        clock = ServerClock(lambda: self.time)
        kind = DeliveredKeeper if delivered else CertificateKeeper
        calls: Any = self.signing
        self.keeper = kind(file.certificates[0], calls, "machine", clock)
        self.telling = Telling(file, {"web": self.keeper}, folder / "state", clock)
        self.answers: list[AgentError | None] = []
        server: Any = self.telling.consumers["server"]
        server.tell = self._hook

    async def _hook(self, _: tuple[str, ...]) -> tuple[str, ...]:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return ()

    def restarted(self) -> None:
        """Begin anew with what is on the disk, as another process does."""
        fresh = Machine(self._folder)
        fresh.time, fresh.signing = self.time, self.signing
        self.keeper = fresh.keeper
        self.keeper._clock = ServerClock(lambda: self.time)
        self.keeper._calls = self.signing  # type: ignore[assignment]
        self.telling = fresh.telling
        server: Any = self.telling.consumers["server"]
        server.tell = self._hook

    async def renewed(self) -> None:
        """Have a first certificate that was told, and a second one that was not."""
        await self.keeper.step()
        assert (await self.telling.tell("server")).outcome is HookOutcome.TOLD
        self.time += LIFE * 0.8
        await self.keeper.step()

    def kept(self) -> str:
        kept = self.keeper.look().kept
        return "" if kept is None else kept.serial


def refused() -> AgentError:
    return ConsumerRefused("bad files")


async def test_way_back_that_fails_is_in_the_record(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.copies.rename(tmp_path / "away")
    machine.copies.touch()
    for failures in (1, 2):
        machine.answers = [refused()]
        record = await machine.telling.tell("server")
        assert (record.outcome, record.failures) == (HookOutcome.FAILED, failures)
        assert "bad files. Going back to the old files failed, too: " in record.error
        assert machine.telling.records.read("server") == record
    assert machine.kept() == machine.signing.signed[1]


async def test_error_of_another_kind_on_the_way_back_is_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    await machine.renewed()

    async def fails() -> bool:
        raise ValueError("odd")

    monkeypatch.setattr(machine.keeper, "take_back", fails)
    machine.answers = [refused()]
    record = await machine.telling.tell("server")
    assert record.error == "bad files. Going back to the old files failed, too: odd"
    assert machine.telling.records.read("server") == record


async def test_copy_that_fails_on_the_way_back_loses_no_certificate(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.copies.rename(tmp_path / "away")
    machine.copies.touch()
    with pytest.raises(AgentError):
        await machine.keeper.take_back()
    machine.copies.unlink()
    old, new = machine.signing.signed
    await machine.keeper.step()
    assert machine.kept() == old
    machine.time += FIRST_HOLD
    await machine.keeper.step()
    assert machine.kept() == new
    assert machine.signing.signed == [old, new]


async def test_hook_without_a_place_for_its_record_is_run_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    await machine.keeper.step()

    def full(_: object) -> None:
        raise DiskRefused("full")

    monkeypatch.setattr(machine.telling.records, "write", full)
    assert [(await machine.telling.tell("server")).failures for _ in range(3)] == [1, 2, 3]


async def test_delivered_set_that_was_refused_is_told_so_and_never_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, delivered=True)
    assert isinstance(machine.keeper, DeliveredKeeper)

    async def never_asked(_: str) -> bool:
        raise AssertionError("nobody knows where a delivered certificate was signed")

    monkeypatch.setattr(machine.signing, "is_revoked", never_asked)
    for outcome in (HookOutcome.TOLD, HookOutcome.ROLLED_BACK):
        made = made_at(machine.time - LIFE * 0.1)
        verified = (made, f"{made.leaf.serial_number:x}")
        monkeypatch.setattr(machine.keeper, "_verified", lambda _, found=verified: found)
        machine.keeper.deliver(DeliveredAnswer("", "", ""))
        record = await machine.telling.tell("server")
        assert record.outcome is outcome
        machine.answers = [refused()]
    assert record.error == "bad files. It has the old files again; deliver the new ones again, or others"
    await machine.keeper.close()
    assert machine.signing.revoked == []


async def test_refused_files_are_held_back_by_later_runs_ever_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "LIFE", timedelta(days=10))
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.answers = [refused()]
    assert (await machine.telling.tell("server")).outcome is HookOutcome.ROLLED_BACK
    old = machine.kept()
    for count, minutes in enumerate((5, 10, 20, 40, 60, 60), start=2):
        await machine.keeper.close()  # as at the end of `once`
        assert len(machine.signing.revoked) == count - 1
        machine.restarted()
        machine.time += timedelta(minutes=minutes, seconds=-2)
        report = await machine.keeper.step()
        assert (report.kept.serial, report.renewed) == (old, None)
        assert "vault-issuer agent renew web" in report.warnings[-1]
        assert report.kept.renew_at - machine.time == timedelta(seconds=2)  # the next look, by `agent run`
        assert machine.keeper.look().reason is None
        assert len(machine.signing.signed) == count
        if count == 7:
            break
        machine.time += timedelta(seconds=3)
        await machine.keeper.step()
        assert len(machine.signing.signed) == count + 1
        machine.answers = [refused()]
        assert (await machine.telling.tell("server")).outcome is HookOutcome.ROLLED_BACK


async def test_hold_ends_with_another_request_a_forced_renewal_and_the_old_ones_life(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.answers = [refused()]
    await machine.telling.tell("server")
    machine.restarted()
    assert machine.keeper.look().reason is None
    machine.keeper.spec = machine.keeper.spec.model_copy(update={"dns_names": ("b.example.com",)})
    assert machine.keeper.look().reason is RenewalReason.SPEC_CHANGED
    machine.restarted()
    machine.time += LIFE * 0.11
    assert machine.keeper.look().reason is RenewalReason.DUE
    machine.time -= LIFE * 0.11
    assert (await machine.keeper.step(force=True)).renewed is RenewalReason.REQUESTED
    assert (await machine.telling.tell("server")).outcome is HookOutcome.TOLD


async def test_forged_note_holds_nothing_back_for_more_than_an_hour(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.answers = [refused()]
    await machine.telling.tell("server")
    machine.restarted()
    note = tmp_path / "web" / ".generations" / "refused.json"
    found = json.loads(note.read_text())
    note.write_text(json.dumps({**found, "until": "9999-01-01T00:00:00Z"}))
    until = machine.keeper._held_until
    with seen_set(tmp_path / "web") as folder:
        assert folder is not None
        assert until(folder, machine.keeper.look().kept) == machine.time + LONGEST_HOLD
    for text in ("[", "[]", '{"serial": 1}', "null"):
        note.write_text(text)
        assert machine.keeper.look().reason is RenewalReason.DUE


async def test_refused_set_is_dropped_once_another_process_renewed(tmp_path: Path) -> None:
    """An older certificate, or one whose key was revoked, must not come back over a newer one."""
    machine = Machine(tmp_path)
    await machine.renewed()
    machine.answers = [refused()]
    assert (await machine.telling.tell("server")).outcome is HookOutcome.ROLLED_BACK
    calls: Any = machine.signing
    spec = machine.keeper.spec
    other = CertificateKeeper(spec, calls, "machine", ServerClock(lambda: machine.time))
    by_hand = (await other.step(force=True)).kept
    report = await machine.keeper.step()
    assert (report.kept.serial, report.renewed, report.warnings) == (by_hand.serial, None, ())
    assert machine.signing.revoked == [machine.signing.signed[1]]
    machine.time += LIFE * 0.8
    assert (await machine.keeper.step()).kept.serial == machine.signing.signed[3]


async def test_set_that_is_too_old_once_the_disk_has_room_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path)
    await machine.keeper.step()

    def full(*_: object, **__: object) -> None:
        raise DiskRefused("full")

    with monkeypatch.context() as patched:
        patched.setattr("issuer.agent.files.generations.GenerationFolder.write", full)
        with pytest.raises(DiskRefused):
            await machine.keeper.step(force=True)
    machine.time += LIFE * 3
    report = await machine.keeper.step()
    assert report.kept.serial == machine.signing.signed[2]
    assert machine.signing.revoked == [machine.signing.signed[1]]
