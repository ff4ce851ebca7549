"""Reads what a plan needs: first which mounts exist, then what is inside those."""

from __future__ import annotations

from typing import Final

from issuer.pki.plan.checks.acme import acme_reads
from issuer.pki.plan.checks.granted import grant_reads
from issuer.pki.plan.checks.signers import certificate_path, listed, signers_apart
from issuer.pki.plan.planning import PlanInput
from issuer.pki.resources.audit import TABLE as AUDIT_TABLE
from issuer.pki.resources.issuers import IssuerResource
from issuer.pki.resources.mounts import AUTH, SECRETS, exists
from issuer.pki.resources.resource import VaultResource
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import VaultReading
from issuer.pki.server.tokens import refusal_of

TABLES = (SECRETS, AUTH, AUDIT_TABLE)
_REMEDY: Final = (
    "it lists the mounts. `vault-issuer pki rights plan -f FILE` prints the policy that a plan needs"
)


async def read_for(calls: VaultCalls, given: PlanInput) -> VaultReading:
    """Read every path that the resources and the authorities are compared by, in three rounds.

    Nothing is read inside of a mount that isn't there: Vault answers 403 there, not 404.
    """
    tables = [path for one in given.resources for path in one.reads() if path in TABLES]
    tables += [one.table for one in given.prunables if one.table]
    reading = VaultReading(await calls.read_all([SECRETS, *tables]))
    if (why := reading.refused.get(SECRETS)) is not None:  # everything would be taken for missing
        raise await refusal_of(calls, SECRETS, why, _REMEDY)
    there = [one for one in given.resources if _is_there(reading, one)]
    wanted = [path for one in there if not isinstance(one, IssuerResource) for path in one.reads()]
    wanted += [one.path for one in given.prunables if one.is_there(reading)]
    for part, _, authority in given.file.all_authorities():
        if part in given.parts and exists(reading, SECRETS, authority.mount):
            wanted += [f"{authority.mount}/keys/", f"{authority.mount}/issuers/"]
    apart = signers_apart(given.file, given.parts)
    wanted += [f"{one.mount}/issuers/" for one in apart.values() if exists(reading, SECRETS, one.mount)]
    for names in (acme_reads, grant_reads):
        wanted += [path for mount, path in names(given.file, given.parts) if exists(reading, SECRETS, mount)]
    reading = reading.with_more(await calls.read_all(path for path in wanted if path not in reading.answers))
    # Vault answers 500 for an issuer that isn't there, so its name is looked up first.
    issuers = [one for one in there if isinstance(one, IssuerResource) and one.is_listed(reading)]
    paths = [one.path for one in issuers]
    paths += [certificate_path(name, one) for name, one in apart.items() if listed(name, one, reading)]
    return reading.with_more(await calls.read_all(paths))


def _is_there(reading: VaultReading, resource: VaultResource) -> bool:
    if resource.inside is None:
        return True
    if resource.inside.startswith("auth/"):
        return exists(reading, AUTH, resource.inside.removeprefix("auth/"))
    return exists(reading, SECRETS, resource.inside)
