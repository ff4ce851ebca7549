"""Roles of a PKI mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from issuer.pki.file.model import Part, PkiMount, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources import defaults
from issuer.pki.resources.resource import Order, VaultResource
from issuer.pki.server.reading import VaultReading


@dataclass(frozen=True, slots=True)
class PkiRoleResource(VaultResource):
    """One role. Sizes that Vault has put in place of 0 are read as 0 where 0 is wanted.

    For RSA keys OpenBao up to 2.6 stores 256 for `signature_bits: 0`, 2.7.2 stores 0 (tried on 2.6.2 and
    2.7.2); for `key_bits` both store the size that the key type has by default.
    """

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        read = reading.data(self.path)
        if read is None:
            return None
        key_type = str(self.wanted.get("key_type", "rsa"))
        stands_for_0 = {
            "signature_bits": 256 if key_type == "rsa" else 0,
            "key_bits": defaults.ROLE_KEY_BITS.get(key_type, 0),
        }
        meant = {**self.defaults, **self.wanted}
        same = {
            name: 0
            for name, size in stands_for_0.items()
            if size and str(meant.get(name)) == "0" and read.get(name) == size
        }
        return {**read, **same}


def pki_roles(part: Part, path: str, mount: PkiMount, places: Places) -> Iterator[VaultResource]:
    """Yield the roles of one mount."""
    for name, fields in mount.roles.items():
        where = path_in_file(part, "mounts", path, "roles", name)
        key_type = str(fields.get("key_type", "rsa"))
        bits = {"key_bits": defaults.ROLE_KEY_BITS.get(key_type, 0)}
        yield PkiRoleResource(
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
