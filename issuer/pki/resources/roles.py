"""Roles of a PKI mount."""

from __future__ import annotations

from collections.abc import Iterator

from issuer.pki.file.model import Part, PkiMount, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources import defaults
from issuer.pki.resources.resource import Order, VaultResource


def pki_roles(part: Part, path: str, mount: PkiMount, places: Places) -> Iterator[VaultResource]:
    """Yield the roles of one mount."""
    for name, fields in mount.roles.items():
        where = path_in_file(part, "mounts", path, "roles", name)
        key_type = str(fields.get("key_type", "rsa"))
        bits = {"key_bits": defaults.ROLE_KEY_BITS.get(key_type, 0)}
        yield VaultResource(
            kind="role",
            order=Order.ROLE,
            path=f"{path}/roles/{name}",
            place=places.of(*where),
            part=part,
            wanted=fields,
            defaults={**defaults.ROLE, **bits},
            inside=path,
            fields_of="pki/roles",
            at=where,
        )
