"""CAs that an apply would sign, against the real certificates of those that sign them. Pure.

What the file alone tells is checked where the file is read. Here the signer is a CA that stands in Vault, or
the bundle that will be imported, or a CA below one of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from cryptography import x509

from issuer.pki.authorities.identity import identify
from issuer.pki.authorities.limits import CALimits, breaches, limits_of, planned_limits
from issuer.pki.authorities.parts import read_chain
from issuer.pki.file.authority import Authority
from issuer.pki.file.engine import ISSUES, may_sign
from issuer.pki.file.model import Part, PkiFile
from issuer.pki.plan.checks.context import PlanContext
from issuer.pki.plan.desired import authorities_top_down
from issuer.pki.plan.imports import Chains
from issuer.pki.plan.step import PkiStep
from issuer.pki.resources.issuers import issuer_id
from issuer.pki.server.reading import VaultReading


def signers_apart(file: PkiFile, parts: Collection[Part]) -> dict[str, Authority]:
    """Return the authorities of the other part that sign one of these parts, by name."""
    named = {name: (part, one) for part, name, one in file.all_authorities()}
    return {
        one.signed_by: named[one.signed_by][1]
        for part, one in named.values()
        if part in parts and one.signed_by is not None and named[one.signed_by][0] not in parts
    }


def certificate_path(name: str, signer: Authority) -> str:
    """Return the path of a CA certificate that needs no right to be read."""
    return f"{signer.mount}/issuer/{name}/json"


def authority_limits(
    file: PkiFile, steps: Collection[PkiStep], reading: VaultReading, chains: Chains, now: datetime
) -> dict[str, CALimits]:
    """Return the bounds of each CA that stands, or will after these steps, by name."""
    planned = {one.authority for one in steps if one.authority}
    authorities = {name: one for _, name, one in file.all_authorities()}
    limits: dict[str, CALimits] = {}
    for _, name in authorities_top_down(file):
        authority = authorities[name]
        stands = _standing(name, authority, reading)
        bundle = chains.get(name) if name in planned else None
        if stands or bundle:
            limits[name] = limits_of(stands or bundle or ())
        elif name in planned:
            limits[name] = planned_limits(authority, limits.get(authority.signed_by or ""), now)
    return limits


def signer_problems(context: PlanContext) -> Iterator[str]:
    """Yield a line, with file and line, for each CA that its signer isn't there for or can't sign so."""
    steps_by_name = {one.authority: one for one in context.steps if one.authority}
    authorities = context.authorities
    for part, name in authorities_top_down(context.file):
        authority, step = authorities[name], steps_by_name.get(name)
        by = authority.signed_by
        if step is None or by is None or not will_be_made(step, authority, context.reading):
            continue
        at = context.told(part, "authorities", name, "signedBy")
        signer = context.limits.get(by)
        if signer is None:
            yield (
                f"{at} mount {authorities[by].mount} has no CA {by} yet; apply the foundation first (--part "
                "foundation), or both parts together"
            )
            continue
        if not may_sign(authorities[by].settings):
            yield (
                f"{at} {by} may not sign, as its settings.usage lacks {ISSUES}; let another CA sign, or add "
                "that until this one is made"
            )
        for key, sentence in breaches(authority, by, signer, context.now):
            yield f"{context.told(part, 'authorities', name, key)} {sentence}"


def _standing(name: str, authority: Authority, reading: VaultReading) -> list[x509.Certificate]:
    """Return the chain of a CA that stands in Vault, none if it doesn't. Raises PkiError."""
    for path in (f"{authority.mount}/issuer/{name}", certificate_path(name, authority)):
        data = reading.data(path)
        if data is not None:
            return read_chain(data, f"the chain at {path}")
    return []


def will_be_made(step: PkiStep, authority: Authority, reading: VaultReading) -> bool:
    """Return True unless its certificate is in the mount already, whatever else is left to do."""
    if not step.action.applies:
        return False
    mount = authority.mount
    known = (reading.data(f"{mount}/keys/"), reading.data(f"{mount}/issuers/"))
    return not identify(step.authority, authority, *known).issuer_id


def listed(name: str, signer: Authority, reading: VaultReading) -> bool:
    """Return True if the mount's list of issuers has a signer, by name or id."""
    known = (reading.data(f"{signer.mount}/issuers/") or {}).get("key_info") or {}
    return bool(issuer_id(name, known))
