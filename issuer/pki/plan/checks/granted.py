"""Mounts and roles that grants of generated policies name, against the file and what stands in Vault. Pure.

Vault takes a policy for paths that nobody has: a typo in `protect` would protect nothing, without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from issuer.pki.file.access import Grants
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Path
from issuer.pki.plan.checks.context import PlanContext
from issuer.pki.resources.mounts import SECRETS, exists
from issuer.pki.server.reading import VaultReading


@dataclass(frozen=True, slots=True)
class _Grant:
    """One entry of a grant: its place in the file, the mount that it names, and the role if it has one."""

    where: Path
    mount: str
    role: str | None

    @property
    def roles(self) -> str:
        return f"{self.mount}/roles/"


def grant_reads(file: PkiFile, parts: Collection[Part]) -> Iterator[tuple[str, str]]:
    """Yield mount and list of the roles that grants name in mounts of the file, which doesn't have them."""
    mounts = {path for _, path, _ in file.all_mounts()}
    for one in _unknown(file, parts):
        if one.role is not None and one.mount in mounts:
            yield one.mount, one.roles


def grant_problems(context: PlanContext) -> Iterator[str]:
    """Yield a line, with file and line, for each mount or role that neither the file nor Vault has."""
    mounts = {path for _, path, _ in context.file.all_mounts()}
    for one in _unknown(context.file, context.parts):
        at = context.places.told(*one.where)
        if one.mount not in mounts:
            if context.reading.data(SECRETS) is not None and not exists(context.reading, SECRETS, one.mount):
                yield f"{at} neither the file nor Vault has the mount {one.mount}; correct its name"
        elif one.roles not in context.reading.refused and one.role not in _listed(context.reading, one.roles):
            yield (
                f"{at} neither the file nor mount {one.mount} has the role {one.role}; correct its name, "
                "or put the role into the file"
            )


def _listed(reading: VaultReading, path: str) -> tuple[str, ...]:
    return tuple((reading.data(path) or {}).get("keys") or ())


def _unknown(file: PkiFile, parts: Collection[Part]) -> Iterator[_Grant]:
    if Part.FOUNDATION not in parts:
        return
    roles = {path: mount.roles for _, path, mount in file.all_mounts()}
    for name, policy in file.foundation.policies.items():
        for one in _grants(policy.generate or Grants(), name):
            if one.mount not in roles or (one.role is not None and one.role not in roles[one.mount]):
                yield one


def _grants(grants: Grants, policy: str) -> Iterator[_Grant]:
    for verb, with_role, given in (
        ("sign", True, grants.sign),
        ("issue", True, grants.issue),
        ("revoke", False, grants.revoke),
        ("read", False, grants.read),
        ("sign_intermediate", False, grants.sign_intermediate),
        ("protect", False, grants.protect),
    ):
        for path in given:
            mount, _, role = path.rpartition("/") if with_role else (path, "", "")
            where = path_in_file(Part.FOUNDATION, "policies", policy, "generate", _key(verb))
            yield _Grant(where, mount, role or None)


def _key(field: str) -> str:
    return Grants.model_fields[field].alias or field
