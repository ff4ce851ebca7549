"""The plan of one command, and its execution: each certificate revoked, and looked for on the CRL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from issuer.inspection.reading import Reader
from issuer.inspection.target import InspectionTarget
from issuer.inventory.gaps import Gap, GapKind
from issuer.inventory.taking import AskedCluster, InventoryTaker, InventoryWish
from issuer.manifests.cluster import asking_cluster, open_client
from issuer.pki.errors import NotPermitted, PathNotFound, PkiError, UnexpectedWarning, VaultNotUsable
from issuer.pki.server.calls import VaultCalls
from issuer.revoking.finding import (
    KnownCertificateWithPem,
    by_certificate,
    by_serial,
    file_certificate,
    object_certificate,
)
from issuer.revoking.lists import is_listed, settings_of
from issuer.revoking.named import Named, NamedSerial
from issuer.revoking.plan import ListSettings, PlannedRevocation, RevocationDecision, decide
from issuer.vault.errors import VaultBadRequest

_OF_USES: Final = frozenset({GapKind.CLUSTER, GapKind.SECRETS, GapKind.MACHINES, GapKind.NOT_READABLE})
"""Kinds of gaps that matter to who revokes: something may use a certificate unseen."""


@dataclass(frozen=True, slots=True)
class RevocationWish:
    """What a user named, where to look (mounts: none are all), and whether CAs are meant, too."""

    named: tuple[Named, ...]
    mounts: tuple[str, ...] = ()
    cluster: AskedCluster | None = None
    cas: bool = False


@dataclass(frozen=True, slots=True)
class RevocationPlan:
    """All certificates that were named, each once, and what could not be seen of their use."""

    items: tuple[PlannedRevocation, ...]
    gaps: tuple[Gap, ...]

    @property
    def chosen(self) -> tuple[PlannedRevocation, ...]:
        """The certificates that are to be revoked."""
        return tuple(one for one in self.items if one.decision is RevocationDecision.REVOKE)

    @property
    def refused(self) -> tuple[PlannedRevocation, ...]:
        """The certificates that must not be revoked as it was asked."""
        return tuple(one for one in self.items if one.decision.is_refused)


@dataclass(frozen=True, slots=True)
class RevocationResult:
    """Outcome of one revocation. `listed` tells if the CRL has it now, None if that can't be read; with
    `is_unknown` the answer was lost, and it may be revoked."""

    item: PlannedRevocation
    error: str = ""
    listed: bool | None = None
    is_unknown: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        done = None if self.is_unknown else not self.error
        return {**self.item.to_json(), "revoked": done, "onCRL": self.listed, "error": self.error or None}


async def plan_revocations(calls: VaultCalls, wish: RevocationWish, now: datetime) -> RevocationPlan:
    """Find what was named, and what uses it. Raises BadInput, PkiError."""
    mounts = (*wish.mounts, *_mounts(wish.named)) if wish.mounts or _all_mounted(wish.named) else ()
    taker = InventoryTaker(calls, InventoryWish(mounts, wish.cluster), now, lambda _: None)
    await taker.read_authorities()
    found: dict[bytes, KnownCertificateWithPem] = {}
    for named in wish.named:
        row, pem = await _find(calls, named, wish, taker)
        found.setdefault(row.sha256, (row, pem))
    await taker.read_uses()
    settings: dict[str, ListSettings] = {}
    for row, _ in found.values():
        if row.mount not in settings:
            settings[row.mount] = await settings_of(calls, row.mount)
    items = [
        PlannedRevocation(row, pem, taker.uses.of(row), decide(row, now, cas=wish.cas), settings[row.mount])
        for row, pem in found.values()
    ]
    return RevocationPlan(tuple(items), tuple(one for one in taker.gaps if one.kind in _OF_USES))


def _mounts(named: Sequence[Named]) -> list[str]:
    return [one.mount for one in named if isinstance(one, NamedSerial) and one.mount]


def _all_mounted(named: Sequence[Named]) -> bool:
    return len(_mounts(named)) == len(named)


async def _find(
    calls: VaultCalls, named: Named, wish: RevocationWish, taker: InventoryTaker
) -> KnownCertificateWithPem:
    if isinstance(named, NamedSerial):
        return await by_serial(calls, named, taker.mounts, taker.issuers)
    if isinstance(named, Path):
        return await by_certificate(calls, file_certificate(named), taker.issuers)
    return await by_certificate(calls, await _of_cluster(named, wish.cluster), taker.issuers)


async def _of_cluster(target: InspectionTarget, asked: AskedCluster | None) -> Any:
    asked = asked or AskedCluster()
    async with open_client(asked.kubeconfig, asked.context) as client:
        with asking_cluster():
            return await object_certificate(Reader(client), target)


async def revoke(calls: VaultCalls, items: Sequence[PlannedRevocation]) -> AsyncIterator[RevocationResult]:
    """Revoke one after the other, and yield what became of each as it is known.

    One that is refused doesn't stop the others. Once Vault can't be used, nothing more is tried.
    """
    ended = False
    for item in items:
        if ended:
            yield RevocationResult(item, "not tried; run the same again")
            continue
        try:
            error = await _revoked(calls, item)
        except PkiError as lost:
            ended = isinstance(lost, VaultNotUsable)
            yield RevocationResult(item, str(lost), is_unknown=True)
            continue
        yield RevocationResult(item, error, None if error else await _listed(calls, item))


async def _revoked(calls: VaultCalls, item: PlannedRevocation) -> str:
    """Revoke a certificate, and return why Vault refuses to, "" if it is done. Raises PkiError if the
    answer was lost."""
    row = item.row
    body = {"serial_number": row.serial} if row.is_stored else {"certificate": item.pem}
    try:
        with suppress(UnexpectedWarning):  # it was done, and the CRL is looked at
            await calls.write(f"{row.mount}/revoke", body)
    except VaultBadRequest as error:
        return f"Vault refuses: {'; '.join(error.messages)}"
    except NotPermitted:
        return f"the token may not write {row.mount}/revoke: it needs update there"
    except PathNotFound as error:
        return str(error)
    return ""


async def _listed(calls: VaultCalls, item: PlannedRevocation) -> bool | None:
    try:
        return await is_listed(calls, item.row)
    except PkiError:
        return None
