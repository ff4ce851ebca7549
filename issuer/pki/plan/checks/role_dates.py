"""Ends that roles give their certificates, against the clock and the CA that signs by the role. Pure.

Vault holds `not_after` of a role to no `max_ttl`, of role or mount: to the CA's end alone, by the CA's
`leaf_not_after_behavior`, and only when it signs (`getCertificateNotAfter` of its PKI engine).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from issuer.pki.file.accepted import date_of
from issuer.pki.file.model import PkiMount
from issuer.pki.plan.checks.context import PlanContext
from issuer.text import rfc3339


def role_date_problems(context: PlanContext) -> Iterator[str]:
    """Yield a line, with file and line, for each role to be written by which nothing could be signed.

    A role that stands as the file says is left, as its date only came nearer; so is one whose CA the file
    doesn't name.
    """
    written = {one.path for one in context.steps if one.action.applies}
    limits = context.limits
    for part, path, mount in context.file.all_mounts():
        for name, role in mount.roles.items():
            end = date_of(role.get("not_after"))
            if end is None or f"{path}/roles/{name}" not in written:
                continue
            at = context.told(part, "mounts", path, "roles", name, "not_after")
            issuer = _issuer(role, mount)
            if end <= context.now:
                yield f"{at} is over; write a later date, or ttl instead"
            elif issuer in limits and end > limits[issuer].end and _refuses(context, issuer):
                yield (
                    f"{at} is after the end of {issuer}, its CA ({rfc3339(limits[issuer].end)}), "
                    f"so it would sign nothing; write an earlier date, or give {issuer} "
                    "settings.leaf_not_after_behavior: truncate"
                )


def _issuer(role: Mapping[str, Any], mount: PkiMount) -> str:
    named = str(role.get("issuer_ref") or "default")
    return named if named != "default" else mount.default_issuer or ""


def _refuses(context: PlanContext, name: str) -> bool:
    """Return True if a CA refuses certificates that would outlive it, as Vault's own setting is."""
    authority, field = context.authorities[name], "leaf_not_after_behavior"
    stands = context.reading.data(f"{authority.mount}/issuer/{name}") or {}
    return str(authority.settings.get(field, stands.get(field)) or "err") == "err"
