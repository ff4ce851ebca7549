"""Checks of auth roles and of the policies that they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from issuer.pki.health.checks.check import LET_IT_READ, hours, span
from issuer.pki.health.facts import AccessFacts, AuthRoleFacts, MountFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.resources.policy_rules import PolicyRules, UnreadableRules, rules_of

_GRAVE: Final[tuple[tuple[str, str], ...]] = (
    ("sign-verbatim", "signs any name, by no role"),
    ("root/sign-intermediate", "signs CAs"),
    ("root/sign-self-issued", "signs what calls itself the root"),
    ("issuers/import/bundle", "imports CAs"),
    ("root/generate/internal", "makes roots"),
    ("config/issuers", "changes which CA signs"),
    ("roles/example", "changes for which names roles sign"),
)
_EVERYTHING: Final = "sys/policies/acl/example"


def access_findings(
    access: AccessFacts, mounts: Iterable[MountFacts], parameters: HealthParameters
) -> Iterator[HealthFinding]:
    """Yield findings on auth roles and their policies."""
    for role in access.roles:
        if parameters.is_enabled(_LIFETIME):
            yield _lifetime(role, parameters)
        if parameters.is_enabled(_BINDING):
            yield from _bindings(role)
    if parameters.is_enabled(_GRANTS):
        paths = [one.path for one in mounts]
        for name, text in access.policies.items():
            yield from _policy(name, text, paths, access)
    for path, why in access.refused.items():
        if parameters.is_enabled(_BINDING):
            message = f"It can't be read: {why}"
            yield HealthFinding(_BINDING, Gravity.NOT_CHECKED, "", path, message, instead=LET_IT_READ)


_LIFETIME: Final = "auth_role_lifetime"
_BINDING: Final = "auth_role_binding"
_GRANTS: Final = "policy_grants"
ACCESS_CHECKS: Final = (_LIFETIME, _BINDING, _GRANTS)


def _lifetime(role: AuthRoleFacts, parameters: HealthParameters) -> HealthFinding:
    spans = {name: span(role.fields.get(f"token_{name}")) for name in ("ttl", "max_ttl", "period")}
    # A renewed token lives as long as its period lets it be renewed; a ttl without max_ttl is the least.
    life = spans["period"] or spans["ttl"] or spans["max_ttl"]
    severity = parameters.gravity(_LIFETIME, "ttl", lambda bound: life > bound)
    name = "token_period" if spans["period"] else "token_ttl"
    if not life:
        severity = Gravity.INFORMATIONAL
        message = "says nothing of lifetimes, so Vault's default_lease_ttl counts, 768h unless it is changed"
    else:
        message = f"gives tokens of {hours(life)}"
        if severity is not Gravity.OK:
            message += (
                f": whoever gets hold of one keeps it as long. A login each hour costs nothing ({name})"
            )
    fields = {name: "1h", "token_max_ttl": "24h"} if name == "token_ttl" else {name: "1h"}
    fix = {} if severity is Gravity.OK else _role_fix(role, fields)
    return HealthFinding(_LIFETIME, severity, "", role.path, f"Role {role.name} {message}", fix)


def _bindings(role: AuthRoleFacts) -> Iterator[HealthFinding]:
    if "root" in role.policies:
        yield _bound(role, Gravity.CRITICAL, "gives root to whoever logs in", {"token_policies": ["NAME"]})
    checks = {"kubernetes": _kubernetes, "approle": _approle, "jwt": _jwt}
    yield from checks.get(role.kind, _cert)(role)


def _kubernetes(role: AuthRoleFacts) -> Iterator[HealthFinding]:
    names = "*" in (role.fields.get("bound_service_account_names") or ())
    spaces = "*" in (role.fields.get("bound_service_account_namespaces") or ())
    fixed = {
        "bound_service_account_names": ["vault-issuer"],
        "bound_service_account_namespaces": ["vault-issuer"],
    }
    if names and spaces:
        yield _bound(role, Gravity.CRITICAL, "takes every service account of the cluster", fixed)
    elif names or spaces:
        what = "of any name in its namespaces" if names else "of its names in any namespace"
        yield _bound(role, Gravity.WARNING, f"takes service accounts {what}", fixed)


def _approle(role: AuthRoleFacts) -> Iterator[HealthFinding]:
    fields = role.fields
    cidrs = fields.get("token_bound_cidrs") or fields.get("secret_id_bound_cidrs")
    if not fields.get("bind_secret_id", True):
        severity = Gravity.WARNING if cidrs else Gravity.CRITICAL
        yield _bound(
            role, severity, "asks for no secret-id: the role-id alone lets in", {"bind_secret_id": True}
        )
    elif not span(fields.get("secret_id_ttl")) and not fields.get("secret_id_num_uses"):
        yield _bound(role, Gravity.WARNING, "has secret-ids that never expire", {"secret_id_ttl": "24h"})


def _jwt(role: AuthRoleFacts) -> Iterator[HealthFinding]:
    fields = role.fields
    if not any(fields.get(one) for one in ("bound_subject", "bound_claims", "bound_audiences")):
        message = "takes every token of its issuer"
        yield _bound(role, Gravity.CRITICAL, message, {"bound_audiences": ["https://vault.example.com"]})


def _cert(role: AuthRoleFacts) -> Iterator[HealthFinding]:
    names = (
        "allowed_common_names",
        "allowed_dns_sans",
        "allowed_email_sans",
        "allowed_names",
        "allowed_uri_sans",
    )
    if not any(
        role.fields.get(one) for one in (*names, "allowed_organizational_units", "required_extensions")
    ):
        message = "takes every certificate of its CA"
        yield _bound(role, Gravity.INFORMATIONAL, message, {"allowed_dns_sans": ["client.example.com"]})


def _bound(role: AuthRoleFacts, severity: Gravity, message: str, fields: Mapping[str, Any]) -> HealthFinding:
    text = f"Role {role.name} {message}"
    return HealthFinding(_BINDING, severity, "", role.path, text, _role_fix(role, fields))


def _role_fix(role: AuthRoleFacts, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"auth": {role.method: {"roles": {role.name: dict(fields)}}}}


def _policy(name: str, text: str, mounts: Iterable[str], access: AccessFacts) -> Iterator[HealthFinding]:
    path = f"sys/policies/acl/{name}"
    users = sorted(f"{one.method}/{one.name}" for one in access.roles if name in one.policies)
    try:
        rules = rules_of(text)
    except UnreadableRules as error:
        message, instead = (
            f"Its rules can't be read here: {error}",
            f"Look yourself: vault policy read {name}",
        )
        yield HealthFinding(_GRANTS, Gravity.NOT_CHECKED, "", path, message, instead=instead)
        return
    given = f", which {', '.join(users)} give{'s' if len(users) == 1 else ''}," if users else ""
    told = False
    if _writes(rules, _EVERYTHING):
        told = True
        message = f"Policy {name}{given} writes policies: whoever may do that may do everything"
        yield HealthFinding(_GRANTS, Gravity.WARNING, "", path, message, _policy_fix(name, rules, mounts))
    for mount in mounts:
        found = [meaning for below, meaning in _GRAVE if _writes(rules, f"{mount}/{below}")]
        if found:
            told = True
            message = f"Policy {name}{given} {', '.join(found)} on {mount}; grant what is needed alone"
            fix = _policy_fix(name, rules, mounts)
            yield HealthFinding(_GRANTS, Gravity.WARNING, mount, path, message, fix)
    if not told:
        yield HealthFinding(
            _GRANTS, Gravity.OK, "", path, f"Policy {name} makes no CA and signs by roles alone"
        )


def _writes(rules: PolicyRules, path: str) -> bool:
    return bool(rules.capabilities(path) & {"create", "update"})


def _policy_fix(name: str, rules: PolicyRules, mounts: Iterable[str]) -> dict[str, Any]:
    """Return a policy that keeps the roles by which the old one signs, and nothing else."""
    sign = sorted(
        one.path.replace("/sign/", "/")
        for one in rules.rules
        for mount in mounts
        if one.path.startswith(f"{mount}/sign/") and "*" not in one.path and "+" not in one.path
    )
    generate = {"sign": sign or ["MOUNT/ROLE"], "signIntermediate": None}
    return {"policies": {name: {"text": None, "generate": generate}}}


def clock_finding(skew: float | None, parameters: HealthParameters) -> HealthFinding | None:
    """Return the verdict on Vault's clock against ours; None if the check is off."""
    check = "clock_skew"
    if not parameters.is_enabled(check):
        return None
    endpoint = "sys/seal-status"
    if skew is None:
        instead = "Compare the clocks by hand; a proxy in front of Vault may take the Date away"
        return HealthFinding(check, Gravity.NOT_CHECKED, "", endpoint, "Vault sends no Date", instead=instead)
    away = timedelta(seconds=abs(skew))
    severity = parameters.gravity(check, "skew", lambda bound: away > bound)
    behind = "ahead of" if skew > 0 else "behind"
    message = f"Vault's clock is {away.total_seconds():.0f} s {behind} ours"
    instead = ""
    if severity is not Gravity.OK:
        message += ", so certificates may be not valid yet, or no longer, for those who get them"
        instead = "Set both clocks by NTP; a role's not_before_duration bridges a small difference meanwhile"
    return HealthFinding(check, severity, "", endpoint, message, instead=instead)
