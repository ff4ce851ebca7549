"""Reads the PKI mounts of one Vault: which there are, their CAs, what they don't keep, their certificates.

OpenBao lists page by page and Vault all serial numbers at once; each certificate is then read by itself, a
few at a time, and only its row is kept. What may not be read is a gap; a Vault that goes away ends it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from issuer.inventory.certificate import KnownCertificate, KnownIssuer, KnownIssuers, known, read_pem
from issuer.inventory.gaps import Gap, GapKind, role_gaps, tidy_gaps
from issuer.pki.errors import NotPermitted, PkiError, VaultNotUsable
from issuer.pki.health.gathering import check_types, pki_mounts_of
from issuer.pki.server.calls import VaultCalls, at_once
from issuer.pki.server.reading import PathRead
from issuer.text import counted

PAGE: Final = 1000
"""Serial numbers of one page, 60 KB."""
BATCH: Final = 200
"""Certificates between two reports of progress; as many are held at once."""
MAX_ROLES: Final = 500
_VISIBLE: Final = "sys/internal/ui/mounts"
"""The mounts that a token may do anything with, for every token."""

Progress = Callable[[str], None]
Wanted = Callable[[str], bool]
"""Says by its serial number if a certificate is looked at."""


async def mounts_of(calls: VaultCalls, wanted: Sequence[str]) -> tuple[list[str], list[Gap]]:
    """Return the paths of the PKI mounts, or those that the token sees if it may not list all. Raises
    PkiError."""
    if wanted:
        paths = list(dict.fromkeys(one.strip("/") for one in wanted))
        await check_types(calls, paths)
        return paths, []
    try:
        return await pki_mounts_of(calls), []
    except NotPermitted:
        visible = (await calls.read(_VISIBLE)).data
        if visible is None:
            raise
    entries = (visible.get("secret") or {}).items()
    paths = sorted(path.strip("/") for path, one in entries if one.get("type") == "pki")
    text = "only the PKI mounts that the token has rights on are known: listing all takes read of sys/mounts"
    return paths, [Gap(GapKind.OTHER_MOUNTS, "", text)]


async def issuers_of(calls: VaultCalls, mount: str) -> tuple[list[KnownIssuer], list[Gap]]:
    """Return the CAs of a mount. Vault shows their certificates to everybody. Raises PkiError."""
    listed = await _soft(calls, f"{mount}/issuers/")
    if listed.refused is not None:
        return [], [_unread(mount, f"its CAs ({listed.refused})")]
    info: Mapping[str, Any] = (listed.data or {}).get("key_info") or {}
    paths = {identifier: f"{mount}/issuer/{identifier}/json" for identifier in info}
    reads = await at_once({one: partial(_soft, calls, path) for one, path in paths.items()})
    found, gaps = [], []
    for identifier, read in reads.items():
        name = str(info[identifier].get("issuer_name") or identifier)
        try:
            certificate = read_pem(str((read.data or {}).get("certificate", "")))
            has_key = bool(info[identifier].get("key_id"))
            found.append(KnownIssuer.of(mount, name, certificate, has_key=has_key))
        except ValueError:
            gaps.append(_unread(mount, f"the CA {name}"))
    return found, gaps


async def gaps_of(calls: VaultCalls, mount: str) -> list[Gap]:
    """Return what a mount doesn't keep, as its roles and its tidying say."""
    auto = await _soft(calls, f"{mount}/config/auto-tidy")
    last = await _soft(calls, f"{mount}/tidy-status")
    listed = await _soft(calls, f"{mount}/roles/")
    gaps = list(tidy_gaps(mount, auto.data or {}, last.data or {}))
    if auto.refused is not None:
        text = "whether it removes certificates that have ended: config/auto-tidy is not readable"
        gaps.append(Gap(GapKind.TIDY_UNKNOWN, mount, text))
    if listed.refused is not None:
        text = "whether its roles store what they sign: they can't be listed"
        return [*gaps, Gap(GapKind.ROLES_UNKNOWN, mount, text)]
    names = [str(one) for one in (listed.data or {}).get("keys") or ()]
    roles: dict[str, Mapping[str, Any] | None] = dict.fromkeys(names[MAX_ROLES:])
    reads = {name: partial(_soft, calls, f"{mount}/roles/{name}") for name in names[:MAX_ROLES]}
    roles |= {name: read.data for name, read in (await at_once(reads)).items()}
    return [*gaps, *role_gaps(mount, roles)]


async def certificates_of(
    calls: VaultCalls, mount: str, issuers: KnownIssuers, wanted: Wanted, gaps: list[Gap], progress: Progress
) -> AsyncIterator[KnownCertificate]:
    """Yield the certificates that a mount stores, and note in `gaps` which can't be read.

    Raises VaultNotUsable, PkiError.
    """
    seen = unread = 0
    refused: str | None = None
    async for page in calls.list_pages(f"{mount}/certs/", PAGE):
        if page.refused is not None:
            part = f"what it stores, but for the first {seen}" if seen else "what it stores"
            text = f"{part}: that takes list of {mount}/certs ({page.refused})"
            gaps.append(Gap(GapKind.NOT_LISTED, mount, text))
            break
        serials = [str(one) for one in (page.data or {}).get("keys") or ()]
        chosen = [one for one in serials if wanted(one)]
        for batch in _batches(chosen):
            paths = {serial: f"{mount}/cert/{serial}" for serial in batch}
            reads = await at_once({one: partial(_soft, calls, path) for one, path in paths.items()})
            for read in reads.values():
                row = _row(read, issuers, mount)
                unread += row is None and not _is_gone(read)
                refused = refused or read.refused
                if row is not None:
                    yield row
            seen += len(batch)
            progress(f"{mount}: {counted(seen, 'certificate')} read")
    if refused is not None:
        text = f"{unread} of the certificates that it stores: that takes read of {mount}/cert/+ ({refused})"
        gaps.append(Gap(GapKind.NOT_LISTED, mount, text))
    elif unread:
        gaps.append(_unread(mount, f"{unread} of the certificates that it stores"))


def _batches(serials: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(serials), BATCH):
        yield serials[start : start + BATCH]


def _row(read: PathRead, issuers: KnownIssuers, mount: str) -> KnownCertificate | None:
    if read.data is None:
        return None
    try:
        return known(read_pem(str(read.data.get("certificate", ""))), issuers, mount, read.data)
    except ValueError:
        return None


def _is_gone(read: PathRead) -> bool:
    """Return True for one that was tidied away since it was listed."""
    return read.data is None and read.refused is None


def _unread(mount: str, what: str) -> Gap:
    return Gap(GapKind.NOT_READABLE, mount, f"{what} can't be read")


async def _soft(calls: VaultCalls, path: str) -> PathRead:
    """Read a path; one that fails by itself counts as not readable. Raises VaultNotUsable."""
    try:
        return await calls.read(path)
    except VaultNotUsable:
        raise
    except PkiError as error:
        return PathRead(refused=str(error))
