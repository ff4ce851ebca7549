"""Controllers at work, by their Leases, which carry a common label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.api.leases import GROUP_LABEL, MEMBER, ROLE_LABEL, SHARD, SHARDS
from issuer.inspection.progress import text_of, time_of
from issuer.inspection.reading import Reader
from issuer.kube.resources import LEASES
from issuer.kube.wire import Object
from issuer.text import rfc3339

_CLOCKS: Final = timedelta(seconds=30)
"""Difference between this machine's clock and the holder's that is taken into account."""


async def controllers(reader: Reader, namespace: str | None, now: datetime) -> list[dict[str, Any]] | None:
    """Return each controller by its main Lease, with leader, times and shards; None if it may not be read.

    `namespace` None looks in all of them.
    """
    found = await reader.all(LEASES, namespace, what="controllers are", label_selector=GROUP_LABEL)
    if found is None:
        return None
    groups: dict[tuple[str, str], list[Object]] = {}
    for one in found:
        meta = one["metadata"]
        group = str((meta.get("labels") or {}).get(GROUP_LABEL) or "")
        groups.setdefault((str(meta.get("namespace") or ""), group), []).append(one)
    return [_controller(where, name, leases, now) for (where, name), leases in sorted(groups.items())]


def _controller(namespace: str, name: str, leases: Sequence[Object], now: datetime) -> dict[str, Any]:
    main: Object = next((one for one in leases if one["metadata"].get("name") == name), {})
    spec = main.get("spec") or {}
    shards = [one for one in leases if _role(one) == SHARD]
    owned = Counter(_holder(one) for one in shards if _held(one, now))
    members = {_holder(one) for one in leases if _role(one) == MEMBER and _held(one, now)}
    annotations = (main.get("metadata") or {}).get("annotations") or {}
    return {
        "namespace": namespace,
        "lease": name,
        "leader": _holder(main),
        "leads": _held(main, now),
        "since": _time(spec, "acquireTime"),
        "renewed": _time(spec, "renewTime"),
        "shards": len(shards) if SHARDS in annotations else None,
        "shardsFree": len(shards) - owned.total(),
        "replicas": [{"identity": one, "shards": owned[one]} for one in sorted(members | set(owned))],
    }


def _role(lease: Object) -> str:
    return str((lease["metadata"].get("labels") or {}).get(ROLE_LABEL) or "")


def _holder(lease: Mapping[str, Any]) -> str:
    return text_of(lease.get("spec") or {}, "holderIdentity")


def _held(lease: Mapping[str, Any], now: datetime) -> bool:
    """Return True if the holder renewed the Lease in time, as far as clocks can be compared."""
    spec = lease.get("spec") or {}
    renewed, seconds = time_of(spec.get("renewTime")), spec.get("leaseDurationSeconds")
    if not _holder(lease) or renewed is None or not isinstance(seconds, int):
        return False
    return now - timedelta(seconds=min(seconds, 3600)) - _CLOCKS <= renewed


def _time(spec: Mapping[str, Any], key: str) -> str | None:
    found = time_of(spec.get(key))
    return None if found is None else rfc3339(found)
