"""Reads all that a rotation looks at. The certificates are counted as they come, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography import x509

from issuer.pki.authorities.calls import must_read
from issuer.pki.errors import PkiError
from issuer.pki.file.authority import Authority
from issuer.pki.file.rotations import Rotation
from issuer.pki.resources.mounts import SECRETS, exists
from issuer.pki.rotation.facts import IssuedFacts, RotationFacts
from issuer.pki.rotation.issued import IssuedByCA, readable
from issuer.pki.rotation.seen import SeenCluster, VaultPlace
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead, VaultReading

Progress = Callable[[str], None]
"""Called with a line of text before what takes long."""
NEEDED: Final = ("keys/", "issuers/", "config/issuers")
"""Paths of a mount that a rotation can't do without."""
OPTIONAL: Final = ("roles/", "cel/roles/", "config/acme", "config/auto-tidy", "config/keys", "config/urls")
"""Paths of a mount whose absence leaves a gate that can't be seen, or Vault's own value."""
BATCH: Final = 1000
"""Certificates that are read at a time: a quarter of a second with OpenBao, and 2 MiB."""


@dataclass(frozen=True, slots=True)
class RotationWish:
    """What a person says of rotations: the new CA's name (None: all), what the cluster shows (None: it isn't
    looked at), when the old CA signed last (None: it isn't known), and roots that the mount may not hold."""

    ca: str | None = None
    cluster: SeenCluster | None = None
    last_signed: datetime | None = None
    roots: tuple[x509.Certificate, ...] = ()


async def gather(
    calls: VaultCalls,
    rotation: Rotation,
    authorities: Mapping[str, Authority],
    wish: RotationWish,
    now: datetime,
    progress: Progress,
) -> RotationFacts:
    """Read one rotation. Raises NotPermitted for what it can't do without, VaultNotUsable, PkiError."""
    mount = rotation.mount
    tables = VaultReading({SECRETS: await calls.read(SECRETS)})
    if SECRETS not in tables.refused and not exists(tables, SECRETS, mount):
        raise PkiError(f"There is no mount {mount} yet; make it first: pki apply")
    needed = [f"{mount}/{one}" for one in NEEDED]
    optional = [f"{mount}/{one}" for one in OPTIONAL] + [f"sys/mounts/{mount}/tune"]
    reading = VaultReading({**await calls.read_all(needed), **await _lenient(calls, optional)})
    for path in needed:
        must_read(path, reading.answers)
    listed = (reading.data(f"{mount}/issuers/") or {}).get("key_info") or {}
    issuers = [f"{mount}/issuer/{one}" for one in listed]
    roles = [f"{mount}/roles/{one}" for one in (reading.data(f"{mount}/roles/") or {}).get("keys") or ()]
    reading = reading.with_more(await calls.read_all([*issuers, *roles]))
    for path in issuers:
        must_read(path, reading.answers)
    given = (wish.cluster, wish.last_signed, VaultPlace.of(*calls.place), wish.roots)
    facts = RotationFacts(rotation, authorities, reading, now, None, *given)
    if facts.old is None or not facts.switched:
        return facts
    return replace(facts, issued=await _issued(calls, facts, progress))


async def _issued(calls: VaultCalls, facts: RotationFacts, progress: Progress) -> IssuedFacts | None:
    """Count the mount's list of certificates; None if it, or one of them, may not be read."""
    mount = facts.rotation.mount
    listed = await calls.read(f"{mount}/certs/")
    if listed.refused is not None:
        return None
    serials = [str(one) for one in (listed.data or {}).get("keys") or ()]
    unread = 0
    old, new = (IssuedByCA(one.certificate if one is not None else None) for one in (facts.old, facts.new))
    for start in range(0, len(serials), BATCH):
        if len(serials) > BATCH:
            progress(f"reading certificates of {mount}: {start} of {len(serials)}")
        read = await calls.read_all(f"{mount}/cert/{one}" for one in serials[start : start + BATCH])
        if any(one.refused is not None for one in read.values()):
            return None
        for answer in read.values():
            if answer.data is None:  # tidied since it was listed
                continue
            certificate = readable(str(answer.data.get("certificate")))
            if certificate is None:
                unread += 1
                continue
            old.add(certificate, facts.now)
            new.add(certificate, facts.now)
    return IssuedFacts(old, new, unread)


async def _lenient(calls: VaultCalls, paths: Iterable[str]) -> dict[str, PathRead]:
    """Read paths that not every server has."""
    answers = {}
    for path in paths:
        try:
            answers[path] = await calls.read(path)
        except PkiError:
            answers[path] = PathRead()
    return answers
