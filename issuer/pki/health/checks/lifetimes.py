"""Checks that no lifetime is longer than the one above it: role, mount, issuer, and the issuer's signer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from issuer.pki.health.checks.check import MountCheck, hours, span
from issuer.pki.health.checks.successor import end_above, successor
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import mount_fix, role_fix
from issuer.text import rfc3339


def role_lifetime(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles that promise more than their mount gives, or than their CA still lives."""
    roles = check.mount.roles()
    found = []
    for name, role in roles.items():
        found += [*_beyond_mount(check, name, role), *_beyond_ca(check, name, role)]
    yield from found
    if roles and not found:
        yield check.at(Gravity.OK, "roles", "Each role's certificates fit into its mount and its CA")


def _beyond_mount(check: MountCheck, name: str, role: Mapping[str, Any]) -> Iterator[HealthFinding]:
    longest = span(check.mount.tune.get("max_lease_ttl"))
    promised = max(span(role.get("max_ttl")), span(role.get("ttl")))
    if longest and promised > longest:
        message = (
            f"Role {name} promises {hours(promised)}, and the mount gives {hours(longest)} at most: "
            "Vault cuts in silence"
        )
        fields = {"max_ttl": hours(longest), "ttl": hours(min(span(role.get("ttl")), longest))}
        fix = role_fix(check.mount.path, name, fields)
        yield check.at(Gravity.WARNING, f"roles/{name}", message, fix)


def _beyond_ca(check: MountCheck, name: str, role: Mapping[str, Any]) -> Iterator[HealthFinding]:
    """Yield a finding if Vault refuses what the role may ask for, as it would outlive the CA."""
    issuer = check.mount.issuer(str(role.get("issuer_ref", "")))
    if issuer is None or issuer.entry.get("leaf_not_after_behavior", "err") != "err":
        return
    tune = check.mount.tune
    longest = span(tune.get("max_lease_ttl"))
    most = min(span(role.get("max_ttl")) or longest, longest or span(role.get("max_ttl")))
    usual = min(span(role.get("ttl")) or span(tune.get("default_lease_ttl")), most)
    left = issuer.certificate.not_valid_after_utc - check.now
    if most <= left:
        return
    severity = Gravity.WARNING if span(role.get("max_ttl")) else Gravity.INFORMATIONAL
    message = (
        f"Role {name} gives up to {hours(most)}, and {issuer.label} expires at "
        f"{rfc3339(issuer.certificate.not_valid_after_utc)}: Vault refuses what would outlive it"
    )
    if usual > left:
        severity = Gravity.CRITICAL
        message += f", and that is so already for its usual {hours(usual)}"
    if left <= timedelta(hours=1):
        fix, instead = successor(check, issuer)
        yield check.at(severity, f"roles/{name}", message, fix, instead)
        return
    short = {"max_ttl": hours(left / 2), "ttl": hours(min(usual, left / 2))}
    yield check.at(severity, f"roles/{name}", message, role_fix(check.mount.path, name, short))


def issuer_lifetime(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the CAs that outlive a CA above them, and mounts that give longer than any of their CAs lives."""
    for issuer in check.mount.keyed():
        endpoint = f"issuer/{issuer.identifier}"
        own, above = issuer.certificate.not_valid_after_utc, end_above(check, issuer)
        if above is None or own <= above:
            yield check.at(Gravity.OK, endpoint, f"{issuer.label} expires before the CAs above it")
            continue
        message = (
            f"{issuer.label} is valid until {rfc3339(own)}, and a CA above it expires at "
            f"{rfc3339(above)}: from then on nothing of it verifies"
        )
        yield check.at(Gravity.CRITICAL, endpoint, message, *successor(check, issuer))
    yield from _mount(check)


def _mount(check: MountCheck) -> Iterator[HealthFinding]:
    given = span(check.mount.tune.get("max_lease_ttl"))
    lives = [
        one.certificate.not_valid_after_utc - one.certificate.not_valid_before_utc
        for one in check.mount.keyed()
        if not one.is_root
    ]
    if lives and given > max(lives):
        message = (
            f"The mount gives {hours(given)}, and none of its CAs was made for more than {hours(max(lives))}"
        )
        longest = hours(max(lives))
        fix = mount_fix(
            check.mount.path, tune={"max_lease_ttl": longest}, **_shorter_roles(check, max(lives))
        )
        yield check.finding(Gravity.INFORMATIONAL, check.mount.tune_path, message, fix)


def _shorter_roles(check: MountCheck, longest: timedelta) -> dict[str, Any]:
    """Return `roles` with those that promise more than the mount is to give; {} if none does."""
    found = {}
    for name in check.mount.readable("roles/").get("keys") or ():
        role = check.mount.readable(f"roles/{name}")
        fields = {key: hours(longest) for key in ("ttl", "max_ttl") if span(role.get(key)) > longest}
        if fields:
            found[str(name)] = fields
    return {"roles": found} if found else {}
