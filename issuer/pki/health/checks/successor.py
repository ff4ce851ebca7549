"""Successors of CAs, as authorities of `pki.yaml` with all that the old certificate tells."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from issuer.pki.authorities.chains import ways_above
from issuer.pki.authorities.described import fields_of
from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.health.checks.check import MountCheck, hours
from issuer.pki.health.facts import IssuerFacts
from issuer.pki.health.fixes import authority_fix
from issuer.site import docs_page
from issuer.x509.chains.links import signed_by


def successor(check: MountCheck, issuer: IssuerFacts) -> tuple[dict[str, Any], str]:
    """Return a CA that can follow an issuer as lines of the file, and "", or {} and what to do first.

    Its name is another, its key new; it ends no later than the CAs above it.
    """
    name = f"{issuer.label}-next"
    try:
        fields = fields_of(issuer.certificate)
    except UNDECODABLE as error:
        return {}, f"Make its successor by hand, as pki.yaml can't describe it: {error}"
    if issuer.is_root:
        return authority_fix(name, mount=check.mount.path, **fields), ""
    end = end_above(check, issuer)
    left = timedelta.max if end is None else end - check.now
    if left <= timedelta(hours=1):
        return {}, f"Make a successor of the CA above it first, then one of it ({docs_page('rotate-the-ca')})"
    made = issuer.certificate.not_valid_after_utc - issuer.certificate.not_valid_before_utc
    if made > left:
        fields["lifetime"] = hours(left)
    signer = _signer(check, issuer)
    if signer:
        return authority_fix(name, mount=check.mount.path, signedBy=signer, **fields), ""
    travels = {"request": f"{name}.csr", "certificate": f"{name}.pem"}
    return authority_fix(name, mount=check.mount.path, offline=travels, **fields), ""


def end_above(check: MountCheck, issuer: IssuerFacts) -> datetime | None:
    """Return when the CAs above an issuer end, by the way up that lasts longest; None where none is known.

    A root has none above it, though Vault's ca_chain goes on with other certificates for its key.
    """
    if issuer.is_root:
        return None
    found, _ = ways_above(issuer.chain, (), check.now)
    ways = [one.cas[1:] for one in found if one.cas[0] == issuer.certificate] or [issuer.chain[1:]]
    ends = [min(one.not_valid_after_utc for one in way) for way in ways if way]
    return max(ends, default=None)


def _signer(check: MountCheck, issuer: IssuerFacts) -> str:
    """Return the name of a CA of this Vault that can sign again; "" if none can."""
    for mount in check.vault.mounts:
        for one in mount.issuers:
            if one.name and one.key_id and signed_by(issuer.certificate, one.certificate):
                return one.name
    return ""
