"""Objects of a machine that are missing or differ, and what would be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from issuer.enrolment.host import (
    HostBounds,
    HostRecord,
    HostWish,
    WantedObject,
    check_names,
    need_found_names,
)
from issuer.pki.errors import PkiError
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead
from issuer.pki.server.tokens import refusal_of


class HostAction(StrEnum):
    """Act on an object."""

    CREATE = "create"
    UPDATE = "update"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class HostStep:
    """One object: what is done, and the fields that change, each with what it is and what it will be."""

    action: HostAction
    wanted: WantedObject = field(repr=False)
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "action": self.action,
            "kind": self.wanted.kind,
            "path": self.wanted.path,
            "changes": {name: {"from": old, "to": new} for name, (old, new) in self.changes.items()},
        }

    def lines(self) -> list[str]:
        """Return it as people read it."""
        found = [f"{self.action:<8} {self.wanted.kind} {self.wanted.path}"]
        for name, (old, new) in self.changes.items():
            if name == "policy":
                found += [f"           {line}" for line in str(new).splitlines()]
            elif name != "certificate":
                found.append(f"           {name}: {'' if old is None else f'{old} -> '}{new}")
        return found


async def wished_record(calls: VaultCalls, wish: HostWish) -> HostRecord:
    """Return a machine's record, with what was not given as Vault has it. Raises PkiError."""
    path = wish.record().policy_path
    read = await calls.read(path)
    if read.refused is not None:
        raise await refusal_of(calls, path, read.refused, "that takes an administrator's token")
    record = wish.record(HostRecord.of_policy(str((read.data or {}).get("policy", ""))))
    check_names(record)
    need_found_names(record)
    return record


async def wished_bounds(calls: VaultCalls, wish: HostWish, record: HostRecord) -> HostBounds:
    """Return a machine's bounds, with what was not given as its roles have it. Raises PkiError."""
    paths = (record.role_path, record.app_role_path)
    reads = await calls.read_all(paths)
    for path in paths:
        if reads[path].refused is not None:
            raise PkiError(f"The token may not read {path}: {reads[path].refused}")
    role, app_role = (reads[path].data or {} for path in paths)
    cidrs, usual = wish.cidrs, HostBounds()
    if cidrs is None:
        cidrs = tuple(map(str, app_role.get("secret_id_bound_cidrs") or ()))
    old_ttl = timedelta(seconds=int(role.get("max_ttl") or 0)) or usual.ttl
    return HostBounds(wish.ttl or old_ttl, cidrs=cidrs)


async def plan_host(calls: VaultCalls, wanted: Sequence[WantedObject], record: HostRecord) -> list[HostStep]:
    """Read a machine's objects and return the steps. Raises PkiError if one can't be read or is not ours."""
    reads = await calls.read_all([*(one.path for one in wanted), "sys/auth"])
    mounts = reads["sys/auth"].data
    for mount, kind in ((record.app_role_mount, "approle"), (record.cert_mount, "cert")):
        if mount and mounts is not None and f"{mount}/" not in mounts:
            raise PkiError(
                f'There is no auth method at "{mount}". Run: vault auth enable -path={mount} {kind}'
            )
    _check_ours(reads, record)
    return [_step(one, reads[one.path]) for one in wanted]


def _check_ours(reads: Mapping[str, PathRead], record: HostRecord) -> None:
    """Refuse to write over a policy of somebody else's, or of this machine at another mount."""
    found = reads[record.policy_path].data
    if found is None:
        return
    there = HostRecord.of_policy(str(found.get("policy", "")))
    if there is None:
        raise PkiError(f'There is a policy "{record.name}" that no enrolment made: enrol under another name')
    if (there.mount, there.app_role_mount) != (record.mount, record.app_role_mount):
        raise PkiError(
            f'"{record.host}" is enrolled with --mount {there.mount} --approle {there.app_role_mount}: use '
            f"these, or run first: vault-issuer enroll --remove {record.host}"
        )
    if there.cert_mount and there.cert_mount != record.cert_mount:
        # Its role there would be forgotten, and no removal would find it.
        raise PkiError(
            f'"{record.host}" is enrolled with --cert {there.cert_mount}: leave --cert out, or run first: '
            f"vault-issuer enroll --remove {record.host}"
        )


def _step(wanted: WantedObject, read: PathRead) -> HostStep:
    if read.refused is not None:
        raise PkiError(f"The token may not read {wanted.path}: {read.refused}")
    if read.data is None:
        fresh = {name: (None, value) for name, value in wanted.fields.items()}
        return HostStep(HostAction.CREATE, wanted, fresh)
    changes = {
        name: (read.data.get(name), value)
        for name, value in wanted.fields.items()
        if _plain(read.data.get(name)) != _plain(value)
    }
    return HostStep(HostAction.UPDATE if changes else HostAction.NOTHING, wanted, changes)


def _plain(value: Any) -> Any:
    """Return a value so that two that mean the same are equal: Vault gives some back in another form."""
    if value is None or value == "":
        return []
    if isinstance(value, (list, tuple)):
        return sorted(str(one).removesuffix("/32").removesuffix("/128") for one in value)
    return value.strip() if isinstance(value, str) else value
