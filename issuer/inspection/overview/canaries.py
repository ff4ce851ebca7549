"""Canaries by the events that the controller writes about their issuers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from issuer.inspection.events import last_seen
from issuer.inspection.progress import text_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.resources import EVENTS
from issuer.requests.issuers import IssuerKey
from issuer.requests.reasons import CanaryReason
from issuer.text import rfc3339

_CLUSTER: Final = "default"
"""Namespace of events about objects that have none."""


async def canaries(reader: Reader, namespace: str | None) -> list[dict[str, Any]] | None:
    """Return what was last heard of each issuer's canary, of those that failed within the last hour or so.

    None if events may not be read. A canary that never failed has no event.
    """
    newest: dict[IssuerKey, tuple[datetime, Mapping[str, Any]]] = {}
    try:
        for reason in (CanaryReason.CANARY_FAILED, CanaryReason.CANARY_PASSED):
            for where in dict.fromkeys((namespace, namespace and _CLUSTER)):
                selector = f"reason={reason.value}"
                async for one in reader.each(EVENTS, where, what="canaries are", field_selector=selector):
                    _keep(newest, one, reader)
            if not newest:  # none failed: whether one passed again does not matter
                break
    except Withheld:
        return None
    return [_canary(key, moment, one) for key, (moment, one) in sorted(newest.items())]


def _keep(
    newest: dict[IssuerKey, tuple[datetime, Mapping[str, Any]]], one: Mapping[str, Any], reader: Reader
) -> None:
    regarding, moment = one.get("regarding") or {}, last_seen(one)
    group = text_of(regarding, "apiVersion").partition("/")[0]
    kind = reader.backends.kinds.referred({"group": group, "kind": text_of(regarding, "kind")})
    if moment is None or kind is None or one.get("reason") not in set(CanaryReason):
        return
    key = kind.key(text_of(regarding, "namespace"), text_of(regarding, "name"))
    if key not in newest or newest[key][0] < moment:
        newest[key] = moment, one


def _canary(key: IssuerKey, moment: datetime, one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "ok": one.get("reason") == CanaryReason.CANARY_PASSED,
        "time": rfc3339(moment),
        "message": text_of(one, "note"),
    }
