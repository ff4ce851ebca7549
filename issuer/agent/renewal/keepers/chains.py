"""CAs alone, without a token: the chain that a mount signs with, and its root."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.config.model import CAChainSpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.files.opening import opened_set, seen_set
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.delivered import DeliveredAnswer, NotDelivered
from issuer.agent.renewal.keepers.oldroots import unneeded_roots
from issuer.agent.renewal.looks import KeepReport, KeptCertificate, RenewalReason, SetLook
from issuer.agent.renewal.source import (
    SOURCE,
    check_files,
    files_of,
    layout_digest,
    owners_of,
    read_source,
    without_root,
    write_copies,
)
from issuer.text import rfc3339
from issuer.vault.errors import VaultError
from issuer.vault.paths import Mode, SignPath
from issuer.vault.pki import Pki
from issuer.vault.transport import VaultClient
from issuer.x509.certificates import decoded
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.chains.chain import Way, signing_ca
from issuer.x509.errors import ChainError, InvalidCertificate

log = structlog.get_logger(__name__)

_MAX_ROOTS: Final = 20
_WARNED: Final = "unpinned-root"
_PIN: Final = "give it: rootFingerprint in agent.yaml, or --root-fingerprint with --out"


class UntrustedRoot(AgentError):
    """The server's CAs end in a root that was neither pinned nor kept before."""


class CAChainKeeper:
    """Keeps the CAs of one mount fresh. A new root is taken only if `rootFingerprint` names it."""

    def __init__(self, spec: CAChainSpec, client: VaultClient, clock: ServerClock) -> None:
        self.spec = spec
        self._from = spec.mount or spec.name
        path = SignPath(spec.mount.strip("/") or "delivered", spec.issuer, Mode.SIGN, "unused")
        self._pki = Pki(client, path)
        self._clock = clock
        self._asked_at: datetime | None = None

    async def step(self, *, force: bool = False) -> KeepReport:
        """Read the CAs if it is time, and write them if they changed. Raises VaultError and AgentError."""
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            kept = self._read(folder)
            now = self._clock.now()
            # Of a moment that is still to come the server's clock was wrong, and has been set since.
            due = self._asked_at is None or not self._asked_at <= now < self._asked_at + self.spec.every
            if self.spec.delivered and kept is None:
                raise NotDelivered(f'No CAs were delivered to "{self.spec.name}" yet')
            if kept is not None and (self.spec.delivered or (not due and not force)):
                return self._write_if(folder, kept, None)
            try:
                fresh = await self._fetch(kept, now)
            except VaultError:
                if kept is not None:
                    self._write_if(folder, kept, None)
                raise
            self._asked_at = now
            if kept is None:
                return self._write_if(folder, fresh, RenewalReason.FIRST)
            changed = (fresh.chain, fresh.roots) != (kept.chain, kept.roots)
            return self._write_if(folder, fresh, RenewalReason.CA_CHANGED if changed else None)

    def look(self) -> SetLook:
        """Return what is kept, and what would be written now. Changes nothing. Raises AgentError."""
        with seen_set(self.spec.folder, owners_of(self.spec)) as folder:
            made = None if folder is None else self._read(folder)
            if folder is None or made is None:
                waits = self.spec.delivered
                return SetLook(None, RenewalReason.NOT_DELIVERED if waits else RenewalReason.FIRST)
            current = folder.current()
            other = current is None or current.notes.get("layout") != layout_digest(self.spec.files)
            wrong = tuple(one.name for one in self.spec.files) if other else tuple(folder.changed())
            return SetLook(self._report(made), None, wrong)

    def deliver(self, answer: DeliveredAnswer) -> KeepReport:
        """Write CAs that were handed over, beside kept roots that are still good. Raises AgentError."""
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            kept = self._read(folder)
            fresh = self._with_kept(answer.cas, kept, self._clock.now())
            return self._write_if(folder, fresh, RenewalReason.DELIVERED)

    async def check(self) -> tuple[str, ...]:
        """Try folders, owners and the CAs; returns warnings. Raises as `step` does."""
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            warnings = check_files(self.spec, folder)
            if not self.spec.delivered:
                await self._fetch(self._read(folder), self._clock.now())
        return warnings

    async def close(self) -> None:
        """Do nothing: no connection and no file is open."""

    @staticmethod
    def _read(folder: GenerationFolder) -> CertificateSet | None:
        found = read_source(folder.read(SOURCE))
        return (
            found if found is not None and found.certificate is None and found.chain + found.roots else None
        )

    async def _fetch(self, kept: CertificateSet | None, now: datetime) -> CertificateSet:
        """Return the CAs as the server gives them, with the kept roots that are still needed."""
        fresh = self._with_kept(await self._pki.ca_chain(), kept, now)
        old = fresh.roots[1:]  # behind the one that the server's chain ends in
        gone = await unneeded_roots(self._pki, old, (*fresh.chain, *fresh.roots[:1])) if old else ()
        for one in gone:
            log.info("an old root is needed no more", name=self.spec.name, sha256=_shown(one))
        return replace(fresh, roots=tuple(one for one in fresh.roots if one not in gone))

    def _with_kept(self, pem: str, kept: CertificateSet | None, now: datetime) -> CertificateSet:
        try:
            cas = read_bundle(pem).certificates
            way = signing_ca(cas, now).ways[0]
        except (InvalidCertificate, ChainError) as error:
            raise AgentError(f'The CAs of "{self._from}" can\'t be used: {error}') from error
        chain, roots = _split(way)
        self._check_root(roots, chain, kept)
        # During a rotation both roots are needed: certificates of the old one are still served.
        old = (
            ()
            if kept is None
            else (one for one in kept.roots if one not in roots and one.not_valid_after_utc > now)
        )
        return CertificateSet(chain, (*roots, *old)[:_MAX_ROOTS])

    def _check_root(
        self,
        roots: tuple[x509.Certificate, ...],
        chain: tuple[x509.Certificate, ...],
        kept: CertificateSet | None,
    ) -> None:
        pin = (self.spec.root_fingerprint or "").replace(":", "").lower()
        top = (*chain, *roots)[-1]
        if pin and hashlib.sha256(top.public_bytes(Encoding.DER)).hexdigest() == pin:
            return
        if kept is None:
            if pin:
                raise UntrustedRoot(
                    f'The CAs of "{self._from}" end in a root of SHA-256 {_shown(top)}, not in that '
                    "of rootFingerprint: compare both with the one that the CA's owner gives"
                )
            return
        if top in (*kept.roots, *kept.chain):
            return
        raise UntrustedRoot(
            f'The CAs of "{self._from}" now end in another root, with the SHA-256 {_shown(top)}; the '
            f"kept ones are not changed. If the CA's owner says that it is new, {_PIN}"
        )

    def _write_if(
        self, folder: GenerationFolder, made: CertificateSet, reason: RenewalReason | None
    ) -> KeepReport:
        """Write the set if it is new, was changed on the disk, or is to have other files."""
        current = folder.current()
        layout = layout_digest(self.spec.files)
        changed = folder.changed()
        if reason is not None or changed or current is None or current.notes.get("layout") != layout:
            folder.write(files_of(self.spec, made), {"layout": layout, "readAt": rfc3339(self._clock.now())})
        warnings, standing = write_copies(self.spec, made), without_root(made)
        if reason is not None:
            warnings, standing = (*warnings, *standing), ()
        unpinned, is_new = self._unpinned(folder, made)
        if is_new:
            return KeepReport(
                self._report(made), reason, tuple(changed), (*warnings, *unpinned), standing=standing
            )
        return KeepReport(
            self._report(made), reason, tuple(changed), warnings, standing=(*standing, *unpinned)
        )

    def _unpinned(self, folder: GenerationFolder, made: CertificateSet) -> tuple[tuple[str, ...], bool]:
        """Return a warning if the root was compared with nothing when it came, and True if it is the first.

        It is given once for each root, which is noted beside the files.
        """
        if self.spec.root_fingerprint:
            return (), False
        root = _shown((*made.roots, *made.chain)[0])
        told = (
            f"Its root, of SHA-256 {root}, was trusted when it came, as no fingerprint was given. Compare it "
            f"with the one that the CA's owner gives, and {_PIN}"
        )
        is_new = folder.noted(_WARNED) != root.encode()
        if is_new:
            folder.note(_WARNED, root.encode())
        return (told,), is_new

    def _report(self, made: CertificateSet) -> KeptCertificate:
        cas = (*made.chain, *made.roots)
        first = cas[0]
        at = (self._asked_at or self._clock.now()) + self.spec.every
        return KeptCertificate(
            self.spec.name,
            f"{first.serial_number:x}",
            max(one.not_valid_before_utc for one in cas),
            min(one.not_valid_after_utc for one in cas),
            at,
        )


def _split(way: Way) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
    found = []
    for ca in way.cas:
        certificate = decoded(ca)
        if certificate is None:
            raise AgentError("A CA certificate of the chain can't be read by this machine's library")
        found.append(certificate)
    return (tuple(found[:-1]) if way.complete else tuple(found)), (found[-1],)


def _shown(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
