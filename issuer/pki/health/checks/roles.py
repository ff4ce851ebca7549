"""Checks of roles that `bao pki health-check` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from issuer.pki.health.checks.check import MountCheck
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import role_fix


def role_allows_localhost(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles for other names that sign for localhost besides."""
    path = check.mount.path
    roles = check.mount.roles()
    open_roles = [name for name, one in roles.items() if one.get("allow_localhost") and _domains(one)]
    for name in open_roles:
        message = (
            f"Role {name} is for {', '.join(_domains(roles[name]))} and signs for localhost besides; "
            "switch that off, or list localhost among allowed_domains"
        )
        yield check.at(
            Gravity.WARNING, f"roles/{name}", message, role_fix(path, name, {"allow_localhost": False})
        )
    yield from _fine(check, roles, open_roles, "No role signs for localhost beside its own names")


def role_allows_glob_wildcards(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles that take globs in names and wildcard certificates, both."""
    path = check.mount.path
    roles = check.mount.roles()
    open_roles = [
        name
        for name, one in roles.items()
        if one.get("allow_wildcard_certificates")
        and one.get("allow_glob_domains")
        and any("*" in domain for domain in _domains(one))
    ]
    for name in open_roles:
        message = (
            f"Role {name} takes globs in {', '.join(_domains(roles[name]))} and wildcard certificates: one "
            "certificate can stand for names below names. Switch one of the two off"
        )
        fix = role_fix(path, name, {"allow_wildcard_certificates": False})
        yield check.at(Gravity.WARNING, f"roles/{name}", message, fix)
    yield from _fine(check, roles, open_roles, "No role takes globs and wildcard certificates together")


def role_no_store_false(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles whose certificates are all stored.

    The parameter `allowed_roles` excepts roles here; `bao pki health-check` reads it and doesn't use it.
    """
    rebuilds = bool(check.mount.data("config/crl").get("auto_rebuild"))
    roles = check.mount.roles()
    excepted = check.parameters.names(check.name, "allowed_roles")
    storing = [name for name, one in roles.items() if not one.get("no_store") and name not in excepted]
    for name in storing:
        message = (
            f"Role {name} stores each certificate, which fills Vault's storage where many are issued. Keep "
            "it where certificates are to be listed and revoked by serial number, and let tidy run"
        )
        severity = Gravity.INFORMATIONAL if rebuilds else Gravity.WARNING
        fix: Mapping[str, Any] = {"mounts": {check.mount.path: {"crl": {"auto_rebuild": True}}}}
        if not rebuilds:
            message += "; at least have the CRL rebuilt on a schedule, not at each revocation"
        else:
            fix = role_fix(check.mount.path, name, {"no_store": True})
        yield check.at(severity, f"roles/{name}", message, fix)
    yield from _fine(check, roles, storing, "No role stores its certificates")


def _domains(role: Mapping[str, Any]) -> list[str]:
    return [str(one) for one in role.get("allowed_domains") or ()]


def _fine(
    check: MountCheck, roles: Mapping[str, Any], wrong: list[str], message: str
) -> Iterator[HealthFinding]:
    if roles and not wrong:
        yield check.at(Gravity.OK, "roles", message)
