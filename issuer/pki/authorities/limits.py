"""Bounds that a CA sets for the CAs below it: by its certificate, or by the file before it has one. Pure.

Vault itself refuses a path length of 0 above a CA when it signs, and lets a CA outlive its signer in silence
(tried on OpenBao 2.7.2).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509

from issuer.pki.authorities.parts import path_length, permitted_names
from issuer.pki.file.authority import Authority
from issuer.pki.file.domains import outside
from issuer.text import rfc3339
from issuer.x509.certificates import unread_part
from issuer.x509.chains.links import signed_by

_SAME_RUN: Final = timedelta(hours=1)
"""A CA of its signer's lifetime is made a moment after it, or by the next run: so much later it may end."""


@dataclass(frozen=True, slots=True)
class CALimits:
    """Bounds of one CA: its end, the number of CAs that may follow (None: any), and the DNS names that it
    permits (none: any)."""

    end: datetime
    path_length: int | None = None
    permitted: tuple[str, ...] = ()


def limits_of(chain: Sequence[x509.Certificate]) -> CALimits:
    """Return the bounds of the first certificate of a chain; those above it bound the path length, too.

    One that can't be read has none that are known here.
    """
    own = chain[0]
    if unread_part(own):
        return CALimits(datetime.max.replace(tzinfo=UTC))
    lengths = [length - depth for depth, length in _lengths(chain) if length is not None]
    return CALimits(own.not_valid_after_utc, min(lengths, default=None), tuple(permitted_names(own)))


def _lengths(chain: Sequence[x509.Certificate]) -> Iterator[tuple[int, int | None]]:
    """Yield depth and path length of each certificate, up to a root, or to the first that didn't sign the one
    before.

    What follows in Vault's ca_chain belongs to another path, of a cross-signed CA or of a root that was
    renewed with its key.
    """
    yield 0, path_length(chain[0])
    for depth, (lower, upper) in enumerate(itertools.pairwise(chain), 1):
        if signed_by(lower, lower) or not signed_by(lower, upper) or unread_part(upper):
            return
        yield depth, path_length(upper)


def planned_limits(authority: Authority, signer: CALimits | None, now: datetime) -> CALimits:
    """Return the bounds that a CA will have which is made now, below `signer` if one of the file signs it."""
    end = now + timedelta(seconds=authority.lifetime or 0)
    length, permitted = authority.max_path_length, authority.permitted_dns_domains
    if signer is None:
        return CALimits(end, length, permitted)
    lengths = [one for one in (length, _less(signer.path_length)) if one is not None]
    return CALimits(min(end, signer.end), min(lengths, default=None), permitted or signer.permitted)


def breaches(authority: Authority, name: str, signer: CALimits, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what the signer called `name` doesn't allow of a CA that it would sign now.

    Each is the key of the authority in the file, and a sentence with the change.
    """
    left = signer.end - now
    if left <= timedelta():
        yield "signedBy", f"{name} ended at {rfc3339(signer.end)}; let a CA sign that is valid"
    elif timedelta(seconds=authority.lifetime or 0) > left + _SAME_RUN:
        hours = int(left.total_seconds()) // 3600
        sentence = f"outlives {name}, its signer, which ends at {rfc3339(signer.end)}; at most {hours}h"
        yield "lifetime", sentence
    sentence = _too_deep(authority.max_path_length, name, signer.path_length)
    if sentence:
        yield "signedBy", sentence
    wide = outside(authority.permitted_dns_domains, signer.permitted)
    if wide:
        sentence = f"{', '.join(wide)} is outside of what {name}, its signer, permits; take it out"
        yield "permittedDNSDomains", sentence


def _too_deep(length: int | None, name: str, signer: int | None) -> str:
    if signer is None or (length is not None and length < signer):
        return ""
    if signer > 0:
        return f"{name} has the path length {signer}; write maxPathLength {signer - 1} or less"
    return (
        f"{name} has the path length 0, or a CA above it leaves no more, so no CA may follow below it; "
        "let another CA sign"
    )


def _less(length: int | None) -> int | None:
    return None if length is None else length - 1
