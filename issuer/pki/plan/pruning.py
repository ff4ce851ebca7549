"""Targets of `--prune`: roles of exclusive mounts, policies and auth roles with the file's prefix.

Never mounts, issuers, keys, auth methods or audit devices: what was signed or logged would go with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.names import as_kept, begins
from issuer.pki.file.place import Place, Places
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.mounts import AUTH, SECRETS, exists
from issuer.pki.resources.resource import Order, VaultWrite
from issuer.pki.server.reading import VaultReading

ADMIN_POLICY: Final = "vault-issuer-admin"
"""Policy of the login that `pki init` leaves."""
_NEVER: Final = frozenset({"default", "default-ceiling", "response-wrapping", "root", ADMIN_POLICY})


@dataclass(frozen=True, slots=True)
class Prunable:
    """One list of names of which the file owns those that begin with `prefix`, but for those that begin with
    a `foreign` one; `kept` are in the file.

    `path` ends with a slash; it is inside of `mount` in `table`, if that is not "". Without `has_case` Vault
    keeps the names in lower case, as `kept` are then.
    """

    kind: str
    path: str
    prefix: str
    kept: frozenset[str]
    part: Part
    place: Place
    table: str = ""
    mount: str = ""
    has_case: bool = False
    foreign: tuple[str, ...] = ()

    def is_there(self, reading: VaultReading) -> bool:
        """Return True if the list may be read."""
        return not self.table or exists(reading, self.table, self.mount)

    def owns(self, name: str) -> bool:
        """Return True if the file owns the name, whether it has it or not."""
        return begins(name, self.prefix) and not any(begins(name, one) for one in self.foreign)

    def steps(self, reading: VaultReading) -> Iterator[PkiStep]:
        """Yield a removal for each name that the file owns and doesn't have."""
        names = (reading.data(self.path) or {}).get("keys") or ()
        for name in sorted(map(str, names)):
            kept_as = name if self.has_case else as_kept(name)
            if kept_as in self.kept or name in _NEVER or not self.owns(name):
                continue
            path = f"{self.path}{name}"
            yield PkiStep(
                action=StepAction.REMOVE,
                kind=self.kind,
                path=path,
                order=Order.REMOVAL,
                part=self.part,
                place=str(self.place),
                note="not in the file",
                writes=(VaultWrite("DELETE", path),),
            )


def prunables(file: PkiFile, places: Places, parts: Collection[Part]) -> Iterator[Prunable]:
    """Yield the lists that are pruned. Policies and auth roles are the file's only if it has a prefix."""
    for part, path, mount in file.all_mounts():
        if part in parts and mount.exclusive:
            place = places.of(*path_in_file(part, "mounts", path, "exclusive"))
            kept = frozenset(mount.roles)
            yield Prunable("role", f"{path}/roles/", "", kept, part, place, SECRETS, path, has_case=True)
    prefix, foreign = file.prefix or "", file.foreign_prefixes
    if Part.FOUNDATION not in parts or not prefix:
        return
    place, part = places.of("prefix"), Part.FOUNDATION
    policies = frozenset(map(as_kept, file.foundation.policies))
    yield Prunable("policy", "sys/policies/acl/", prefix, policies, part, place, foreign=foreign)
    for path, method in file.foundation.auth.items():
        folder = f"auth/{path}/{ROLE_FOLDER[method.type]}/"
        kept = frozenset(map(as_kept, method.roles))
        yield Prunable("auth role", folder, prefix, kept, part, place, AUTH, path, foreign=foreign)
