"""The file as resources of Vault, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from issuer.pki.file.model import Part, PkiFile, PkiMount
from issuer.pki.file.place import Places
from issuer.pki.file.rotations import rotation_of, rotations_of
from issuer.pki.resources.audit import audit_devices
from issuer.pki.resources.auth import auth_methods
from issuer.pki.resources.engine import engine_configs
from issuer.pki.resources.issuers import default_issuer, issuer_settings
from issuer.pki.resources.mounts import pki_mounts
from issuer.pki.resources.policies import policies
from issuer.pki.resources.resource import VaultResource
from issuer.pki.resources.roles import pki_roles

BOTH = frozenset(Part)


def resources_of(file: PkiFile, places: Places, parts: Collection[Part] = BOTH) -> list[VaultResource]:
    """Return all resources of these parts but the CAs themselves, sorted by their stage."""
    found: list[VaultResource] = []
    if Part.FOUNDATION in parts:
        foundation = file.foundation
        found += audit_devices(foundation.audit, places)
        found += _of_mounts(Part.FOUNDATION, file, foundation.mounts, places)
        found += policies(foundation.policies, places)
        found += auth_methods(foundation.auth, places)
    if Part.AUTOMATION in parts:
        found += _of_mounts(Part.AUTOMATION, file, file.mounts, places)
    replaced = {one.old for one in rotations_of(file)}
    for part, name, authority in file.all_authorities():
        if part in parts:
            found += issuer_settings(part, name, authority, places, is_replaced=name in replaced)
    return sorted(found, key=lambda one: one.order)


def _of_mounts(
    part: Part, file: PkiFile, mounts: Mapping[str, PkiMount], places: Places
) -> Iterator[VaultResource]:
    yield from pki_mounts(part, mounts, places)
    for path, mount in mounts.items():
        yield from engine_configs(part, path, mount, places)
        yield from default_issuer(part, path, mount, places, rotation_of(file, path))
        yield from pki_roles(part, path, mount, places)


def authorities_top_down(file: PkiFile, parts: Collection[Part] = BOTH) -> list[tuple[Part, str]]:
    """Return the authorities of these parts, each after its signer."""
    parts_by_name = {name: part for part, name, _ in file.all_authorities()}
    by_name = {name: one for _, name, one in file.all_authorities()}
    ordered: list[str] = []

    def place(name: str) -> None:
        signer = by_name[name].signed_by
        if signer is not None and signer not in ordered:
            place(signer)
        if name not in ordered:
            ordered.append(name)

    for name in by_name:
        place(name)
    return [(parts_by_name[name], name) for name in ordered if parts_by_name[name] in parts]
