"""Certificates that name issuers of ours: how many are past their renewal, or have expired.

Requests alone can't show it: where cert-manager stands still there are none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from issuer.inspection.commands import explain_certificate
from issuer.inspection.objects.certificates import CERT_MANAGER_PODS, due_since, ended_at, word_of
from issuer.inspection.progress import text_of, time_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.requests.conditions import is_true
from issuer.requests.resources import CERTIFICATES
from issuer.text import counted

LISTED: Final = 5
"""Number of the Certificates past their renewal that are listed, those that expire first."""
UNSEEN: Final = timedelta(minutes=2)
"""Time that cert-manager may take until it first says something of a Certificate."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_SEE: Final = f"see whether cert-manager runs: {CERT_MANAGER_PODS}"


@dataclass(slots=True)
class _Tally:
    """Certificates that were counted. `overdue` has those that expire first."""

    now: datetime
    total: int = 0
    ready: int = 0
    past_renewal: int = 0
    expired: int = 0
    unseen: int = 0
    overdue: list[tuple[datetime, str, str, dict[str, Any]]] = field(default_factory=list)

    def add(self, certificate: Object, issuer: str) -> None:
        """Count a Certificate."""
        status = certificate.get("status") or {}
        self.total += 1
        self.ready += is_true(status.get("conditions"), "Ready")
        self.unseen += self._is_unseen(certificate)
        expired = ended_at(certificate, self.now) is not None
        overdue = due_since(certificate, self.now) is not None
        self.expired += expired
        self.past_renewal += overdue
        if expired or overdue:
            one = _json(certificate, issuer)
            end = time_of(status.get("notAfter")) or _NEVER
            kept = [*self.overdue, (end, one["namespace"], one["name"], one)]
            self.overdue = heapq.nsmallest(LISTED, kept, key=lambda entry: entry[:3])

    def _is_unseen(self, certificate: Object) -> bool:
        if (certificate.get("status") or {}).get("conditions"):
            return False
        created = time_of(certificate["metadata"].get("creationTimestamp"))
        return created is not None and created + UNSEEN <= self.now

    def to_json(self) -> dict[str, Any]:
        """Return what was counted as `-o json` prints it."""
        return {
            "total": self.total,
            "ready": self.ready,
            "pastRenewal": self.past_renewal,
            "expired": self.expired,
            "unseen": self.unseen,
            "overdue": [one for _, _, _, one in self.overdue],
        }


async def certificates(reader: Reader, namespace: str | None, now: datetime) -> dict[str, Any] | None:
    """Count the Certificates of issuers of ours, in all namespaces if `namespace` is None; None if withheld.

    Raises KubeError.
    """
    found = _Tally(now)
    try:
        async for one in reader.each(CERTIFICATES, namespace, what="Certificates are"):
            issuer = reader.backends.kinds.issuer_of(one)
            if issuer is not None:
                found.add(one, str(issuer))
    except Withheld:
        return None
    return found.to_json()


def attention(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what needs attention of the Certificates that were counted."""
    if found is None:
        return
    if found["expired"]:
        yield f"{_count(found['expired'])} expired: the first is {_named(found['overdue'][0])}"
    if found["pastRenewal"] > found["expired"]:
        first = "" if found["expired"] else f": the first to expire is {_named(found['overdue'][0])}"
        yield f"{_count(found['pastRenewal'])} not been renewed in time{first}"
    if found["unseen"]:
        yield f"{_count(found['unseen'])} not been looked at by cert-manager: {_SEE}"


def _count(number: int) -> str:
    return counted(number, "Certificate has", "Certificates have")


def _named(one: Mapping[str, Any]) -> str:
    name = f"{one['namespace']}/{one['name']}, at {one['notAfter'] or 'a time that is not known'}"
    return f"{shown(name)}: {explain_certificate(one['name'], one['namespace'])}"


def _json(certificate: Object, issuer: str) -> dict[str, Any]:
    meta, status = certificate["metadata"], certificate.get("status") or {}
    return {
        "namespace": str(meta["namespace"]),
        "name": str(meta["name"]),
        "issuer": issuer,
        "notAfter": text_of(status, "notAfter"),
        "renewalTime": text_of(status, "renewalTime"),
        "message": word_of(certificate),
    }
