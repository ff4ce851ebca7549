"""Takes the inventory that one command asks for: CAs first, then what is in use, then what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from issuer.inspection.reading import Reader
from issuer.inventory.certificate import CertificateState, KnownCertificate, KnownIssuer, KnownIssuers
from issuer.inventory.cluster import read_cluster
from issuer.inventory.gaps import Gap, GapKind
from issuer.inventory.reports import read_reports
from issuer.inventory.selection import InventoryChoice
from issuer.inventory.stored import Progress, certificates_of, gaps_of, issuers_of, mounts_of
from issuer.inventory.uses import Use, UsesFound, is_used
from issuer.kube.errors import ConfigError
from issuer.manifests.cluster import asking_cluster, open_client
from issuer.manifests.errors import BadInput
from issuer.pki.server.calls import VaultCalls
from issuer.text import rfc3339


@dataclass(frozen=True, slots=True)
class AskedCluster:
    """The cluster that is read; `is_named` tells if the user named it."""

    kubeconfig: str | None = None
    context: str | None = None
    secrets: bool = False

    @property
    def is_named(self) -> bool:
        """Return True if a user asked for this cluster."""
        return self.secrets or self.kubeconfig is not None or self.context is not None


@dataclass(frozen=True, slots=True)
class InventoryWish:
    """Scope of an inventory: mounts (none: all), cluster and reports (None: not asked), what of them."""

    mounts: tuple[str, ...] = ()
    cluster: AskedCluster | None = None
    reports: Path | None = None
    choice: InventoryChoice = field(default_factory=InventoryChoice)


@dataclass(frozen=True, slots=True)
class CertificateInventory:
    """Certificates that were asked for, by their end, with what uses each; and what can't be known.

    `asked_for_uses` tells if anything that uses certificates was read.
    """

    now: datetime
    mounts: tuple[str, ...]
    rows: tuple[tuple[KnownCertificate, tuple[Use, ...]], ...]
    gaps: tuple[Gap, ...]
    asked_for_uses: bool
    soon: timedelta | None = None

    def state(self, row: KnownCertificate) -> CertificateState:
        """Return the state of a certificate."""
        return row.state(self.now, self.soon)

    def counts(self) -> dict[str, int]:
        """Return how many certificates are in each state, all of them first."""
        found = Counter(self.state(row) for row, _ in self.rows)
        return {"all": len(self.rows), **{one.value: found[one] for one in CertificateState}}

    @property
    def ends_soon(self) -> bool:
        """Return True if one that is in use ends soon or has ended; any, where uses weren't looked for."""
        watched = (CertificateState.EXPIRING, CertificateState.EXPIRED)
        return any(
            self.state(row) in (watched if is_used(uses) else watched[:1])
            for row, uses in self.rows
            if is_used(uses) or not self.asked_for_uses
        )

    @property
    def is_whole(self) -> bool:
        """Return True unless the token may not read what a mount stores."""
        return all(one.kind is not GapKind.NOT_LISTED for one in self.gaps)

    def entry(self, row: KnownCertificate, uses: Sequence[Use]) -> dict[str, Any]:
        """Return one certificate as JSON holds it."""
        return {
            "names": list(row.names),
            "subject": row.subject,
            "serial": row.serial,
            "sha256": row.sha256.hex(),
            "mount": row.mount,
            "issuer": row.issuer,
            "isCA": row.is_ca,
            "notBefore": rfc3339(row.begins),
            "notAfter": rfc3339(row.ends),
            "state": self.state(row).value,
            "revokedAt": None if row.revoked_at is None else rfc3339(row.revoked_at),
            "stored": row.is_stored,
            "usedBy": [one.to_json() for one in uses] if self.asked_for_uses else None,
        }


async def take_inventory(
    calls: VaultCalls, wish: InventoryWish, now: datetime, told: Progress
) -> CertificateInventory:
    """Read all that is asked for. Raises BadInput, PkiError."""
    taker = InventoryTaker(calls, wish, now, told)
    await taker.read_authorities()
    await taker.read_losses()
    asked = await taker.read_uses()
    if wish.choice.used is not None and not asked:
        raise BadInput("--used and --unused take a cluster or --reports: neither was asked")
    rows = [(row, taker.uses.of(row)) async for row in taker.rows()]
    taken = [one for one in rows if wish.choice.takes(*one, now)]
    taken.sort(key=lambda one: (one[0].ends, one[0].serial))
    return CertificateInventory(
        now, tuple(taker.mounts), tuple(taken), tuple(taker.gaps), asked, wish.choice.within
    )


class InventoryTaker:
    """One inventory while it is taken: what was read so far, and what can't be known."""

    def __init__(self, calls: VaultCalls, wish: InventoryWish, now: datetime, told: Progress) -> None:
        self._calls, self._wish, self._now, self._told = calls, wish, now, told
        self.mounts: list[str] = []
        self.gaps: list[Gap] = []
        self.issuers = KnownIssuers(())
        self.uses = UsesFound(self.issuers)

    async def read_authorities(self) -> None:
        """Read which mounts and CAs there are. Raises PkiError."""
        self.mounts, self.gaps = await mounts_of(self._calls, self._wish.mounts)
        issuers: list[KnownIssuer] = []
        for mount in self.mounts:
            found, missing = await issuers_of(self._calls, mount)
            issuers += found
            self.gaps += missing
        self.issuers = KnownIssuers(issuers)
        self.uses = UsesFound(self.issuers)

    async def read_losses(self) -> None:
        """Read what the mounts don't keep. Raises PkiError."""
        for mount in self.mounts:
            self.gaps += await gaps_of(self._calls, mount)

    async def read_uses(self) -> bool:
        """Read cluster and reports, and return True if there was one of them. Raises BadInput."""
        asked = await self._read_cluster()
        folder = self._wish.reports
        if folder is None:
            text = "machines outside of clusters: save what they report in a folder, and name it (--reports)"
            self.gaps.append(Gap(GapKind.MACHINES, "", text))
            return asked
        self.gaps += read_reports(folder, self.issuers, self.uses, self._now)
        self.gaps.append(Gap(GapKind.MACHINES, "", f"machines without a report in {folder}"))
        return True

    async def _read_cluster(self) -> bool:
        asked = self._wish.cluster
        if asked is None:
            self.gaps.append(Gap(GapKind.CLUSTER, "", "what clusters use: none was asked (--no-cluster)"))
            return False
        self._told("reading the cluster")
        try:
            async with open_client(asked.kubeconfig, asked.context) as client:
                with asking_cluster("--no-cluster does without it"):
                    self.gaps += await read_cluster(Reader(client), self.uses, secrets=asked.secrets)
        except BadInput as error:
            if asked.is_named or not isinstance(error.__cause__, ConfigError):
                raise
            self.gaps.append(Gap(GapKind.CLUSTER, "", f"what clusters use: none was asked, {error}"))
            return False
        return True

    async def rows(self) -> AsyncIterator[KnownCertificate]:
        """Yield all stored certificates, then those in use that are not stored. Raises PkiError."""
        stored = set()
        for mount in self.mounts:
            wanted = self._wish.choice.takes_serial
            found = certificates_of(self._calls, mount, self.issuers, wanted, self.gaps, self._told)
            async for row in found:
                stored.add(row.sha256)
                yield row
        unseen = {one.where for one in self.gaps if one.kind in (GapKind.NOT_LISTED, GapKind.NOT_READABLE)}
        for row in self.uses.beyond(stored):
            yield replace(row, is_stored=None) if row.mount in unseen else row
