"""Reads what a plan needs: first which mounts exist, then what is inside those."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from issuer.pki.file.model import Part, PkiFile
from issuer.pki.plan.desired import BOTH
from issuer.pki.resources.audit import TABLE as AUDIT_TABLE
from issuer.pki.resources.mounts import AUTH, SECRETS, exists
from issuer.pki.resources.resource import VaultResource
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import VaultReading

TABLES = (SECRETS, AUTH, AUDIT_TABLE)


async def read_for(
    calls: VaultCalls, file: PkiFile, resources: Iterable[VaultResource], parts: Collection[Part] = BOTH
) -> VaultReading:
    """Read every path that the resources and the authorities are compared by.

    Nothing is read inside of a mount that isn't there: Vault answers 403 there, not 404.
    """
    resources = list(resources)
    tables = [path for one in resources for path in one.reads() if path in TABLES]
    reading = VaultReading(await calls.read_all([SECRETS, *tables]))
    wanted = [path for one in resources if _is_there(reading, one) for path in one.reads()]
    for part, name, authority in file.all_authorities():
        if part in parts and exists(reading, SECRETS, authority.mount):
            mount = authority.mount
            wanted += [f"{mount}/keys/", f"{mount}/issuers/", f"{mount}/issuer/{name}"]
    more = await calls.read_all(path for path in wanted if path not in reading.answers)
    return reading.with_more(more)


def _is_there(reading: VaultReading, resource: VaultResource) -> bool:
    if resource.inside is None:
        return True
    if resource.inside.startswith("auth/"):
        return exists(reading, AUTH, resource.inside.removeprefix("auth/"))
    return exists(reading, SECRETS, resource.inside)
