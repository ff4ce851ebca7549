"""Names and marks of the Leases of one group of replicas; `group` is the main Lease's name."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import orjson

from issuer.api.group import GROUP
from issuer.api.leases import GROUP_LABEL, ROLE_LABEL, SHARD, SHARDS
from issuer.kube.wire import Object

WRITTEN: Final = f"{GROUP}/written"
"""Annotation left on a shard's Lease by an owner that finished its work: the newest resourceVersion it wrote,
by kind of request, as JSON."""

ENDING: Final = "ending"
"""Value of SHARDS on the main Lease while a single leader waits for replicas with shards to end."""


def shard_name(group: str, number: int) -> str:
    """Return the name of a shard's Lease."""
    return f"{group}-shard-{number}"


def member_name(group: str, identity: str) -> str:
    """The Lease of a replica. Its identity may be longer than a name, or have capitals."""
    return f"{group}-member-{blake2b(identity.encode(), digest_size=8).hexdigest()}"


def labels(group: str, role: str, shards: int) -> dict[str, str]:
    """Return the labels of the Lease of a shard or a member."""
    return {GROUP_LABEL: group, ROLE_LABEL: role, SHARDS: str(shards)}


def unowned(namespace: str, group: str, number: int, shards: int) -> Object:
    """The Lease of a shard that nobody has had yet."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": shard_name(group, number),
            "namespace": namespace,
            "labels": labels(group, SHARD, shards),
        },
        "spec": {"leaseDurationSeconds": 1},
    }


def works_in_shards(main: Object | None) -> bool:
    """Return True if the main Lease says that replicas share the work, in any number of shards."""
    value = ((main or {}).get("metadata", {}).get("annotations") or {}).get(SHARDS, "")
    return bool(value.isdecimal())


def written(annotations: Mapping[str, str]) -> dict[str, int] | None:
    """Return what the last owner left; None when it left nothing, or nothing that can be compared."""
    try:
        found = orjson.loads(annotations.get(WRITTEN, ""))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not all(isinstance(one, int) for one in found.values()):
        return None
    return found


def as_written(versions: Mapping[str, int]) -> str:
    """Return the value of WRITTEN."""
    return orjson.dumps(dict(versions)).decode()
