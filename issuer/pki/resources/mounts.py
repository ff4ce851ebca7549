"""PKI mounts and auth mounts: enabled once, tuned after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from issuer.pki.file.model import Part, PkiMount, path_in_file
from issuer.pki.file.names import mount_in_the_way
from issuer.pki.file.place import Places
from issuer.pki.resources.resource import Order, VaultResource, VaultWrite
from issuer.pki.server.reading import VaultReading

SECRETS = "sys/mounts"
AUTH = "sys/auth"


@dataclass(frozen=True, slots=True)
class MountResource(VaultResource):
    """A mount below `table` (`sys/mounts` or `sys/auth`). `wanted` has `type`, `description` and tuning.

    It is read with all others by one call of the table.
    """

    table: str = SECRETS

    @property
    def mount(self) -> str:
        """Its path in Vault, without slashes around."""
        return self.path.removeprefix(f"{self.table}/")

    @property
    def help_path(self) -> str:
        return f"{self.path}/tune"

    def reads(self) -> tuple[str, ...]:
        return (self.table,)

    def obstacle(self, reading: VaultReading) -> str:
        current = self.current(reading)
        if current is not None:
            kind = current["type"]
            fits = kind in (None, self.wanted["type"])
            return "" if fits else f"is of type {kind}; take another path in the file"
        other = mount_in_the_way(self.mount, [one.rstrip("/") for one in reading.data(self.table) or {}])
        if not other:
            return ""
        around = f"Vault has a mount at {other}, and takes none inside of another"
        return f"can't be made: {around}; take another path in the file"

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        entry = (reading.data(self.table) or {}).get(f"{self.mount}/")
        if not isinstance(entry, Mapping):
            return None
        config = {name: value for name, value in (entry.get("config") or {}).items() if value is not None}
        if entry.get("options") is not None:
            config["options"] = entry["options"]
        return {"type": entry.get("type"), "description": entry.get("description", ""), **config}

    def writes(self, current: Mapping[str, Any] | None) -> tuple[VaultWrite, ...]:
        tuning = {name: value for name, value in self.wanted.items() if name not in ("type", "description")}
        description = self.wanted.get("description", "")
        if current is None:
            options = {"options": tuning.pop("options")} if "options" in tuning else {}
            body = {"type": self.wanted["type"], "description": description, "config": tuning, **options}
            return (VaultWrite("POST", self.path, body),)
        return (VaultWrite("POST", f"{self.path}/tune", {"description": description, **tuning}),)


def pki_mounts(part: Part, mounts: Mapping[str, PkiMount], places: Places) -> Iterator[MountResource]:
    """Yield the PKI mounts of a part."""
    for path, mount in mounts.items():
        where = path_in_file(part, "mounts", path)
        yield MountResource(
            kind="mount",
            order=Order.MOUNT,
            path=f"{SECRETS}/{path}",
            place=places.of(*where),
            part=part,
            wanted={"type": "pki", "description": mount.description, **mount.tune},
            fields_of="mount",
            at=(*where, "tune"),
        )


def exists(reading: VaultReading, table: str, mount: str) -> bool:
    """Return True if the mount is in the table that was read."""
    return f"{mount}/" in (reading.data(table) or {})
