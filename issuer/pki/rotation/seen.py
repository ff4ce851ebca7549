"""What a cluster shows of its issuers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SeenIssuer:
    """One issuer of a cluster: its kind and name, the path by which it signs, and the end of its CA as its
    status shows it; None while it shows none."""

    name: str
    path: str
    end: datetime | None


@dataclass(frozen=True, slots=True)
class SeenCluster:
    """All issuers of a cluster; `gaps` are sentences on what may not be read there."""

    issuers: tuple[SeenIssuer, ...] = ()
    gaps: tuple[str, ...] = ()
