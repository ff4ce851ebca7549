"""Checks of default issuers, of names, of roles that take any name, and of open ACME."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cryptography import x509

from issuer.pki.file.domains import is_below
from issuer.pki.health.checks.check import MountCheck
from issuer.pki.health.checks.mounts import closed_acme
from issuer.pki.health.facts import IssuerFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import authority_fix, mount_fix, role_fix

_SIGNS: Final = "issuing-certificates"


def default_issuer(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the issuer that signs where a path names none."""
    keyed = check.mount.keyed()
    endpoint = "config/issuers"
    if not check.mount.identifiers():
        message = "The mount has no CA, so nothing is signed"
        instead = "Make its CA (pki apply), or disable the mount if nobody needs it"
        yield check.at(Gravity.WARNING, "issuers", message, instead=instead)
    if not keyed:
        return
    default = check.mount.default()
    other = next((one for one in keyed if one.name and _SIGNS in one.usages), None)
    fix = {} if other is None else _default(check, other)
    instead = "" if fix else "Give an issuer that has a key a name and the usage issuing-certificates first"
    if default is None:
        message = "No issuer is the default, so sign/ROLE fails"
        yield check.at(Gravity.WARNING, endpoint, message, fix, instead)
    elif not default.key_id:
        message = f"The default issuer {default.label} has no key, so sign/ROLE fails"
        yield check.at(Gravity.CRITICAL, endpoint, message, fix, instead)
    elif _SIGNS not in default.usages:
        message = f"The default issuer {default.label} may not sign (usage), so sign/ROLE fails"
        yield check.at(Gravity.CRITICAL, endpoint, message, fix, instead)
    else:
        yield check.at(Gravity.OK, endpoint, f"{default.label} signs where a path names no issuer")
    if check.mount.data(endpoint).get("default_follows_latest_issuer"):
        message = (
            "An import makes its CA the default at once, before anybody trusts it "
            "(default_follows_latest_issuer); switch that off"
        )
        if default is not None and default.name:
            fix, instead = _default(check, default), ""
        yield check.at(Gravity.WARNING, endpoint, message, fix, instead)


def issuer_names(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the issuers with a key and without a name: only their id tells them apart."""
    keyed = check.mount.keyed()
    for issuer in keyed:
        if not issuer.name:
            message = (
                f"The issuer {issuer.identifier} has no name. Name it (vault patch "
                f"{check.mount.path}/issuer/{issuer.identifier} issuer_name=NAME), then keep it in the file"
            )
            fix = authority_fix("NAME", mount=check.mount.path, existing=True)
            yield check.at(Gravity.INFORMATIONAL, f"issuer/{issuer.identifier}", message, fix)
    if keyed and all(one.name for one in keyed):
        yield check.at(Gravity.OK, "issuers", "Every issuer with a key has a name")


def role_any_name(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles that sign for names of any form."""
    path, roles, wrong = check.mount.path, check.mount.roles(), False
    for name, role in roles.items():
        if role.get("allow_any_name"):
            wrong = True
            message = f"Role {name} signs for any name; list its allowed_domains"
            fields = {"allow_any_name": False, "allowed_domains": ["example.com"], "allow_subdomains": True}
            yield check.at(Gravity.WARNING, f"roles/{name}", message, role_fix(path, name, fields))
        elif not role.get("enforce_hostnames", True):
            wrong = True
            message = f"Role {name} signs names that are no host names (enforce_hostnames is off)"
            fix = role_fix(path, name, {"enforce_hostnames": True})
            yield check.at(Gravity.INFORMATIONAL, f"roles/{name}", message, fix)
    if roles and not wrong:
        yield check.at(Gravity.OK, "roles", "No role signs for any name")


def role_names_outside_ca(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roles for domains that their CA's name constraints don't permit: clients refuse these."""
    for name, role in check.mount.roles().items():
        issuer = check.mount.issuer(str(role.get("issuer_ref", "")))
        if issuer is None:
            continue
        permitted = _permitted(issuer)
        outside = [
            str(domain)
            for domain in role.get("allowed_domains") or ()
            if permitted is not None and not any(is_below(str(domain), one) for one in permitted)
        ]
        if outside:
            message = (
                f"Role {name} is for {', '.join(outside)}, which the name constraints of {issuer.label} "
                "don't permit: clients will refuse its certificates"
            )
            kept = [one for one in role["allowed_domains"] if one not in outside]
            fix = role_fix(check.mount.path, name, {"allowed_domains": kept})
            yield check.at(Gravity.WARNING, f"roles/{name}", message, fix)


def open_acme(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield what is open in an ACME that is on: by Vault's defaults anybody gets any name."""
    acme = check.mount.data("config/acme")
    if not acme.get("enabled"):
        return
    endpoint, fix = "config/acme", closed_acme(check) or _no_acme(check)
    if acme.get("default_directory_policy") == "sign-verbatim":
        message = "ACME signs what is asked, by no role (default_directory_policy sign-verbatim)"
        yield check.at(Gravity.CRITICAL, endpoint, message, fix)
    if acme.get("eab_policy") != "always-required":
        message = (
            f"ACME opens accounts without a binding that Vault gave (eab_policy {acme.get('eab_policy')})"
        )
        yield check.at(Gravity.WARNING, endpoint, message, fix)
    for field in ("allowed_roles", "allowed_issuers"):
        if "*" in (acme.get(field) or ()):
            yield check.at(Gravity.WARNING, endpoint, f"ACME may use all of them ({field} is *)", fix)


def _default(check: MountCheck, issuer: IssuerFacts) -> dict[str, Any]:
    known = authority_fix(issuer.name, mount=check.mount.path, existing=True)
    return {**mount_fix(check.mount.path, defaultIssuer=issuer.name), **known}


def _no_acme(check: MountCheck) -> dict[str, Any]:
    return mount_fix(check.mount.path, acme={"enabled": False})


def _permitted(issuer: IssuerFacts) -> list[str] | None:
    """Return the DNS names that the nearest constraint of a chain permits; None without one."""
    for certificate in issuer.chain:
        try:
            found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        names = [one.value for one in found.permitted_subtrees or () if isinstance(one, x509.DNSName)]
        if names:
            return names
    return None
