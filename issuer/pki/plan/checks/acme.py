"""Roles and issuers that ACME names, against the file and what stands in the mount. Pure.

OpenBao answers 500 for a name that it doesn't know, after all that goes before ACME was written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer.pki.file.engine import AcmeNames, acme_names
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.plan.checks.context import PlanContext
from issuer.pki.resources.issuers import issuer_id

_FOLDERS: Final = {"role": "roles", "issuer": "issuers"}


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A name that the file doesn't have: the key that gives it, and the list of the mount to look in."""

    part: Part
    mount: str
    key: str
    kind: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.mount}/{_FOLDERS[self.kind]}/"


def acme_reads(file: PkiFile, parts: Collection[Part]) -> Iterator[tuple[str, str]]:
    """Yield mount and list of the names that ACME gives and the file doesn't have."""
    for one in _unknown(file, parts):
        yield one.mount, one.path


def acme_problems(context: PlanContext) -> Iterator[str]:
    """Yield a line, with file and line, for each name that neither the file nor the mount has."""
    for one in _unknown(context.file, context.parts):
        if one.path in context.reading.refused or _stands(one, context.reading.data(one.path) or {}):
            continue
        where = path_in_file(one.part, "mounts", one.mount, "acme", one.key)
        yield (
            f"{context.places.told(*where)} neither the file nor mount {one.mount} has "
            f"the {one.kind} {one.name}; correct the name, or put the {one.kind} into the file"
        )


def _stands(one: _Unknown, answer: Mapping[str, Any]) -> bool:
    if one.kind == "role":
        return one.name in (answer.get("keys") or ())
    return bool(issuer_id(one.name, answer.get("key_info") or {}))


def _unknown(file: PkiFile, parts: Collection[Part]) -> Iterator[_Unknown]:
    for part, path, mount in file.all_mounts():
        if part not in parts or mount.acme is None:
            continue
        issuers = {name for _, name, one in file.all_authorities() if one.mount == path}
        names: AcmeNames = acme_names(mount.acme)
        for key, kind, given, known in (
            ("default_directory_policy", "role", names.default_role, mount.roles),
            ("allowed_roles", "role", names.roles, mount.roles),
            ("allowed_issuers", "issuer", names.issuers, issuers),
        ):
            for name in given:
                if name not in known:
                    yield _Unknown(part, path, key, kind, name)
