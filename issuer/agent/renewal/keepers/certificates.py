"""One certificate, from the files that are there to a fresh set of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.config.model import CertificateSpec, KeyRotation
from issuer.agent.errors import DiskRefused
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.files.numbered import WrittenSet
from issuer.agent.files.opening import opened_set, seen_set
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.holding import HeldBack, hold_back, read_hold
from issuer.agent.renewal.keys import fits, new_key
from issuer.agent.renewal.looks import KeepReport, KeptCertificate, RenewalReason, SetLook
from issuer.agent.renewal.schedule import RenewalRule, due_at, spread
from issuer.agent.renewal.signing import CertificateCalls, FreshCertificate
from issuer.agent.renewal.source import (
    SOURCE,
    check_files,
    check_own_files,
    closed_again,
    exposed_keys,
    files_of,
    layout_digest,
    left_behind,
    owners_of,
    password_problems,
    read_source,
    request_digest,
    without_root,
    write_copies,
)
from issuer.agent.renewal.stores import stale_stores
from issuer.text import parse_rfc3339, rfc3339
from issuer.vault.errors import VaultError
from issuer.x509.certificates import public_key
from issuer.x509.errors import InvalidCertificate

log = structlog.get_logger(__name__)

_LEFT_TO_GO_BACK: Final = 0.1
"""The share of its life that an old certificate needs to be gone back to."""
CHECK_EVERY: Final = timedelta(hours=1)
"""The time between two looks at the CA and at the certificate's revocation."""


class CertificateKeeper:
    """Keeps one certificate fresh; what is signed and can't be written yet is kept in memory."""

    tries_again = True
    """A certificate that a consumer refused is tried again."""

    def __init__(
        self, spec: CertificateSpec, calls: CertificateCalls, machine: str, clock: ServerClock
    ) -> None:
        self.spec = spec
        self._calls = calls
        self._share = spread(machine, spec.name)
        self._clock = clock
        self.now_and_then = False
        """True if the next look may be far away, as from cron."""
        self._unwritten: FreshCertificate | None = None
        self._over = ""
        """Serial number of the set that `_unwritten` is to replace."""
        self._checked_at: datetime | None = None
        self._held: HeldBack | None = None

    async def step(self, *, force: bool = False) -> KeepReport:
        """Look at the files, renew if that is due, and write. Returns what is kept then.

        Raises VaultError if Vault doesn't sign, AgentError if the answer or the disk can't be used; the files
        that were there stay.
        """
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            made, current = self._read(folder)
            kept = self._kept(current, made)
            if self._unwritten is not None and kept is not None and kept.serial == self._unwritten.serial:
                self._unwritten = self._held = None  # written, though the disk refused something after it
            if self._unwritten is not None and not self._is_still_wanted(self._unwritten, kept):
                await self.close()
                self._held = None
            held = None if force else self._held_until(folder, kept)
            reason = RenewalReason.REQUESTED if force else None if held else self._reason(kept, current)
            if reason is None and not held and kept is not None and current is not None:
                reason = await self._asked_of_vault(current, kept)
            if reason is None and made is not None and current is not None and kept is not None:
                rewritten = self._mend(folder, current, made)
                left = left_behind(self.spec, current.sha256) if rewritten else ()
                closed, known = closed_again(self.spec, folder, kept.serial)
                warnings = (
                    *left,
                    *self._copy(made),
                    *self._held_text(held),
                    *closed,
                    *exposed_keys(self.spec),
                    *password_problems(self.spec),
                )
                kept = replace(kept, renew_at=held or kept.renew_at)
                standing = (*known, *without_root(made))
                return KeepReport(kept, rewritten=rewritten, warnings=warnings, standing=standing)
            return await self._renew(folder, made, reason or RenewalReason.FIRST)

    def _is_still_wanted(self, fresh: FreshCertificate, kept: KeptCertificate | None) -> bool:
        """Return False for what is kept in memory once another process renewed the set, or it is too old.

        It is to replace the set `_over` and no other, and would soon have to be renewed itself.
        """
        leaf = fresh.made.certificate
        if leaf is None or (kept is not None and kept.serial != self._over):
            return False
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        return self._clock.now() < begin + (end - begin) * self.spec.renewal.at

    async def take_back(self) -> bool:
        """Have readers see the set before the current one; returns False if that isn't good for it.

        It needs a tenth of its life, and must not be revoked. The newer set is kept in memory, and written
        again after some minutes: it was signed, so nothing else is signed for it. Another process, as the
        next one from cron, signs nothing before. Raises AgentError, perhaps half done: `put_forward` undoes
        that.
        """
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            made, current = self._read(folder)
            before = folder.previous()
            if current is None or made is None or before is None:
                return False
            old = read_source(folder.read(SOURCE, before))
            if old is None or old.certificate is None or old.certificate == made.certificate:
                return False
            kept = self._life(before, old.certificate)
            if not self._has_life(kept) or await self._was_revoked(kept.serial):
                return False
            # Before the files change: a disk that refuses then must not lose what was signed.
            self._unwritten = FreshCertificate(made, str(current.notes.get("serial")), ())
            self._over = kept.serial
            now = self._clock.now()
            hold = hold_back(folder, kept.serial, request_digest(self.spec), now)
            self._held = HeldBack(current.notes, hold.ends(now))
            folder.roll_back()
            self._copy(old)
        return True

    async def _was_revoked(self, serial: str) -> bool:
        return await self._calls.is_revoked(serial)

    def put_forward(self) -> None:
        """Write the set again that `take_back` took away: it wasn't at fault. Raises AgentError."""
        if self._unwritten is None or self._held is None:
            return
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            folder.write(files_of(self.spec, self._unwritten.made), self._held.notes)
            self._copy(self._unwritten.made)
        self._unwritten = self._held = None

    def _held_until(self, folder: GenerationFolder, kept: KeptCertificate | None) -> datetime | None:
        """Return the time until which the old set is kept on purpose, as a consumer refused the newer one."""
        if kept is None or not self._has_life(kept):
            return None
        now = self._clock.now()
        if self._held is not None:
            until = self._held.until
        elif (noted := read_hold(folder, kept.serial, request_digest(self.spec))) is not None:
            until = noted.ends(now)
        else:
            return None
        return until if now < until else None

    def _held_text(self, until: datetime | None) -> tuple[str, ...]:
        if until is None or not self.tries_again:
            return ()
        told = (
            f"A consumer refused the newer files; they, or others, are tried after {rfc3339(until)}. "
            f"At once: vault-issuer agent renew {self.spec.name}"
        )
        return (told,)

    def _has_life(self, kept: KeptCertificate) -> bool:
        least = (kept.not_after - kept.not_before) * _LEFT_TO_GO_BACK
        return kept.not_after - self._clock.now() > least

    def look(self) -> SetLook:
        """Return what is kept, and what would be done now. Changes nothing. Raises AgentError."""
        with seen_set(self.spec.folder, owners_of(self.spec)) as folder:
            if folder is None:
                return SetLook(None, RenewalReason.FIRST)
            made, current = self._read(folder)
            kept = self._kept(current, made)
            reason = None if self._held_until(folder, kept) else self._reason(kept, current)
            wrong = () if reason is not None or current is None else self._wrong_files(folder, current)
            return SetLook(kept, reason, wrong)

    async def check(self) -> tuple[str, ...]:
        """Try all but the signing: folders, owners, passwords, login, role and CA. Raises as `step` does.

        Returns warnings.
        """
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            warnings = check_files(self.spec, folder)
        await self._calls.probe()
        return warnings

    async def close(self) -> None:
        """Revoke a certificate that was signed and never written: nobody has it."""
        fresh, self._unwritten = self._unwritten, None
        if fresh is None or self._is_seen(fresh.serial):
            return
        if fresh.made.certificate is not None and fresh.made.key_der is not None:
            pem = fresh.made.certificate.public_bytes(Encoding.PEM).decode()
            await self._calls.revoke(pem, fresh.serial, self.spec.name, fresh.made.key_der)

    def _is_seen(self, serial: str) -> bool:
        """Return True if a set with this certificate is on the disk, though the disk refused the rest."""
        with seen_set(self.spec.folder, owners_of(self.spec)) as folder:
            return folder is not None and folder.holds(serial)

    def _read(self, folder: GenerationFolder) -> tuple[CertificateSet | None, WrittenSet | None]:
        current = folder.current()
        return read_source(folder.read(SOURCE)), current

    def _kept(self, current: WrittenSet | None, made: CertificateSet | None) -> KeptCertificate | None:
        if current is None or made is None or made.certificate is None:
            return None
        return self._life(current, made.certificate)

    def _life(self, current: WrittenSet, leaf: x509.Certificate) -> KeptCertificate:
        begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        begin = max(begin, _signed_at(current.notes, begin))
        serial = str(current.notes.get("serial") or f"{leaf.serial_number:x}")
        now = self._clock.now()
        due = due_at(begin, end, self._rule(), self._share, now)
        return KeptCertificate(self.spec.name, serial, begin, end, due.at, due.window_open, due.waits(now))

    def _reason(self, kept: KeptCertificate | None, current: WrittenSet | None) -> RenewalReason | None:
        """Return why a certificate is asked for now, as far as the files tell."""
        if kept is None or current is None:
            return RenewalReason.FIRST if current is None else RenewalReason.FILES_LOST
        now = self._clock.now()
        if now >= kept.not_after:
            return RenewalReason.EXPIRED
        if current.notes.get("request") != request_digest(self.spec):
            return RenewalReason.SPEC_CHANGED
        return RenewalReason.DUE if now >= kept.renew_at else None

    async def _asked_of_vault(self, current: WrittenSet, kept: KeptCertificate) -> RenewalReason | None:
        """Return whether Vault gives a reason: the certificate is revoked, or another CA signs now."""
        now = self._clock.now()
        # Of a moment that is still to come the server's clock was wrong, and has been set since.
        if self._checked_at is not None and self._checked_at <= now < self._checked_at + CHECK_EVERY:
            return None
        if await self._calls.is_revoked(kept.serial):
            return RenewalReason.REVOKED
        signer = await self._default_signer()
        if not signer:
            return None
        self._checked_at = now
        before = current.notes.get("signer")
        return RenewalReason.CA_CHANGED if before and before != signer else None

    async def _default_signer(self) -> str:
        """Return the SHA-256 of the key of the mount's CA, empty if it can't be read.

        Compared with the one at the last signing: a role can name another issuer than the mount's default.
        """
        try:
            cas = await self._calls.current_cas()
        except (VaultError, InvalidCertificate) as error:
            log.info("the CA can't be looked at now", certificate=self.spec.name, error=str(error))
            return ""
        return hashlib.sha256(public_key(cas[0])).hexdigest() if cas else ""

    async def _renew(
        self, folder: GenerationFolder, made: CertificateSet | None, reason: RenewalReason
    ) -> KeepReport:
        fresh = self._unwritten
        if fresh is None:
            # Else each run would sign one that can't be written, and revoke it again.
            check_own_files(self.spec, folder)
            key = self._kept_key(made, reason)
            fresh = await self._calls.sign(self.spec, key or new_key(self.spec.key), self._clock.now())
            self._unwritten = fresh
            kept = self._kept(folder.current(), made)
            self._over = "" if kept is None else kept.serial
        try:
            notes: Mapping[str, Any]
            if self._held is not None:
                notes = self._held.notes
            else:
                notes = {**self._notes(fresh.serial), "signer": await self._default_signer()}
            written = folder.write(files_of(self.spec, fresh.made), notes)
        except DiskRefused:
            log.warning(
                "a certificate was signed and can't be written yet; it is kept in memory",
                certificate=self.spec.name,
                serial=fresh.serial,
            )
            raise
        self._unwritten = self._held = None
        self._checked_at = self._clock.now()
        return KeepReport(
            self._life(written, fresh.made.leaf),
            renewed=reason,
            warnings=(*fresh.remarks, *without_root(fresh.made), *self._copy(fresh.made)),
        )

    def _mend(self, folder: GenerationFolder, current: WrittenSet, made: CertificateSet) -> tuple[str, ...]:
        """Write the set again if a file of it was changed, or is to be another; returns the names."""
        wrong = self._wrong_files(folder, current)
        if wrong:
            notes = {**current.notes, "layout": layout_digest(self.spec.files)}
            folder.write(files_of(self.spec, made), notes)
        return wrong

    def _wrong_files(self, folder: GenerationFolder, current: WrittenSet) -> tuple[str, ...]:
        """Return the names of files that were changed, or of all if the layout is to be another."""
        if current.notes.get("layout") != layout_digest(self.spec.files):
            return tuple(one.name for one in self.spec.files)
        return tuple(dict.fromkeys((*folder.changed(), *stale_stores(self.spec, folder))))

    def _copy(self, made: CertificateSet) -> tuple[str, ...]:
        return write_copies(self.spec, made)

    def _notes(self, serial: str) -> Mapping[str, Any]:
        return {
            "serial": serial,
            "signedAt": rfc3339(self._clock.now()),
            "request": request_digest(self.spec),
            "layout": layout_digest(self.spec.files),
        }

    def _kept_key(self, made: CertificateSet | None, reason: RenewalReason) -> bytes | None:
        """Return the key to be certified again: none that was revoked, or that is not as the file asks."""
        if made is None or made.key_der is None or reason is RenewalReason.REVOKED:
            return None
        if self.spec.key.rotation is KeyRotation.ALWAYS or not fits(made.key_der, self.spec.key):
            return None
        return made.key_der

    def _rule(self) -> RenewalRule:
        given = self.spec.renewal
        zone = ZoneInfo(given.time_zone) if given.time_zone else datetime.now().astimezone().tzinfo or UTC
        return RenewalRule(given.at, given.jitter, given.windows, zone, self.now_and_then)


def _signed_at(notes: Mapping[str, Any], default: datetime) -> datetime:
    """Return the time of the signing: CAs backdate, and a short life would seem half gone at once."""
    try:
        return parse_rfc3339(str(notes.get("signedAt")))
    except ValueError:
        return default
