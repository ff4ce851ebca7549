"""Checks of a mount's tuning, tidy and ACME that `bao pki health-check` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from issuer.pki.file.model import PkiFile
from issuer.pki.health.checks.check import MountCheck, span
from issuer.pki.health.facts import VaultFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import mount_fix
from issuer.pki.resources.mounts import SECRETS
from issuer.text import counted, parse_rfc3339

VISIBLE: Final[Mapping[str, tuple[str, ...]]] = {
    "audit_non_hmac_request_keys": (
        *(
            "csr",
            "certificate",
            "issuer_ref",
            "common_name",
            "alt_names",
            "other_sans",
            "ip_sans",
            "uri_sans",
        ),
        *("ttl", "not_after", "serial_number", "key_type", "private_key_format", "managed_key_name"),
        *("managed_key_id", "ou", "organization", "country", "locality", "province", "street_address"),
        *("postal_code", "permitted_dns_domains", "policy_identifiers", "ext_key_usage_oids"),
    ),
    "audit_non_hmac_response_keys": ("certificate", "issuing_ca", "serial_number", "error", "ca_chain"),
}
"""Fields of calls that are no secret and that an auditor wants to read."""
SECRET: Final = ("private_key", "pem_bundle")
ACME_HEADERS: Final = ("Replay-Nonce", "Link", "Location")
_HEADERS: Final = (
    ("passthrough_request_headers", "If-Modified-Since"),
    ("allowed_response_headers", "Last-Modified"),
)
_MOUNTS: Final = "pki_mounts"
TIDY: Final = {"enabled": True, "tidy_cert_store": True, "tidy_revoked_certs": True}


def audit_visibility(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the fields that the audit log hides without need, and those that it shows and must hide."""
    tune = check.mount.tune
    ignored = check.parameters.names(check.name, "ignored_parameters")
    wrong = False
    for field, names in VISIBLE.items():
        shown = _texts(tune, field)
        hidden = [one for one in names if one not in shown and one not in ignored]
        secret = [one for one in SECRET if one in shown]
        fixed = [one for one in [*shown, *hidden] if one not in SECRET]
        fix = mount_fix(check.mount.path, tune={field: fixed})
        if hidden:
            message = f"The audit log hides {', '.join(hidden)}, which are no secret: add them to {field}"
            yield check.finding(Gravity.INFORMATIONAL, check.mount.tune_path, message, fix)
        if secret:
            message = f"The audit log shows {', '.join(secret)}: take them out of {field}"
            yield check.finding(Gravity.WARNING, check.mount.tune_path, message, fix)
        wrong = wrong or bool(hidden or secret)
    if not wrong:
        message = "The audit log hides what is secret and shows the rest"
        yield check.finding(Gravity.OK, check.mount.tune_path, message)


def pki_mounts(facts: VaultFacts, file: PkiFile | None) -> HealthFinding:
    """Return the verdict on what there was to look at: no PKI mount is no healthy PKI."""
    count = len(facts.mounts)
    if count:
        text = f"{counted(count, 'PKI mount is', 'PKI mounts are')} looked at"
        return HealthFinding(_MOUNTS, Gravity.OK, "", SECRETS, text)
    if file is None:
        message = "There is no PKI mount, so no CA, role or list was looked at"
        instead = (
            "Look for another server or namespace in VAULT_ADDR and VAULT_NAMESPACE: mounts of a namespace "
            "are seen by its own name alone. If the mount was disabled, its CAs are gone with it: restore a "
            "snapshot. On a new server make it first (pki apply)"
        )
        return HealthFinding(_MOUNTS, Gravity.CRITICAL, "", SECRETS, message, instead=instead)
    severity = Gravity.INFORMATIONAL if file.foundation.auth or file.foundation.policies else Gravity.CRITICAL
    message = "The file names no PKI mount, so no CA, role or list was looked at"
    instead = (
        "Give the file that has the mounts, too (-f can be repeated), or leave -f out to look at all mounts"
    )
    return HealthFinding(_MOUNTS, severity, "", SECRETS, message, instead=instead)


def allow_if_modified_since(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the headers by which clients fetch CAs and CRLs only if they changed."""
    tune = check.mount.tune
    fields = {}
    for field, header in _HEADERS:
        known = _texts(tune, field)
        if header.lower() not in [one.lower() for one in known]:
            fields[field] = [*known, header]
    if not fields:
        message = "CAs and CRLs are fetched only if they changed, by clients that ask so"
        yield check.finding(Gravity.OK, check.mount.tune_path, message)
        return
    message = f"Clients fetch CAs and CRLs whole each time: {' and '.join(fields)} miss a header"
    fix = mount_fix(check.mount.path, tune=fields)
    yield check.finding(Gravity.INFORMATIONAL, check.mount.tune_path, message, fix)


def enable_auto_tidy(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on tidy by itself, its interval and its pauses."""
    config = check.mount.data("config/auto-tidy")
    endpoint = "config/auto-tidy"
    if not config.get("enabled"):
        message = "Nothing removes expired certificates automatically; switch auto-tidy on"
        yield check.at(
            Gravity.INFORMATIONAL, endpoint, message, mount_fix(check.mount.path, autoTidy=dict(TIDY))
        )
        return
    fine = True
    for name, short in (("interval_duration", "12h"), ("pause_duration", "0s")):
        value = span(config.get(name))
        severity = check.parameters.gravity(check.name, name, value.__ge__)
        if severity is not Gravity.OK:
            fine = False
            message = f"{name} is {config.get(name)}: tidy runs too rarely, or takes too long"
            fix = mount_fix(check.mount.path, autoTidy={**TIDY, name: short})
            yield check.at(severity, endpoint, message, fix)
    if fine:
        yield check.at(Gravity.OK, endpoint, "Tidy runs automatically")


def tidy_last_run(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the end of the last tidy."""
    status = check.mount.data("tidy-status")
    if not status:
        return
    fix: Mapping[str, Any] = mount_fix(check.mount.path, autoTidy=dict(TIDY))
    instead = ""
    if check.mount.readable("config/auto-tidy").get("enabled"):
        words = "tidy_cert_store=true tidy_revoked_certs=true"
        fix, instead = {}, f"Auto-tidy is on. Start it once: vault write {check.mount.path}/tidy {words}"
    finished = status.get("time_finished")
    if not finished:
        message = "Tidy has never finished since Vault started"
        yield check.at(Gravity.CRITICAL, "tidy-status", message, fix, instead)
        return
    ended = _moment(finished)
    ago = check.now - ended
    severity = check.parameters.gravity(check.name, "last_run", lambda bound: ago > bound)
    if severity is Gravity.OK:
        yield check.at(Gravity.OK, "tidy-status", "Tidy has run recently")
    else:
        yield check.at(severity, "tidy-status", f"Tidy ended {ago.days} days ago", fix, instead)


def enable_acme_issuance(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on ACME. Off is a choice: see docs/threat-model.md before it is switched on."""
    acme = check.mount.data("config/acme")
    if not acme.get("enabled"):
        if all(one.is_root for one in check.mount.issuers):
            message = "No CA here signs leaves, so nothing needs ACME"
            yield check.at(Gravity.NOT_APPLICABLE, "config/acme", message)
            return
        message = "ACME is off. It is one way for machines to renew; policies of Kubernetes don't reach it"
        fix = closed_acme(check)
        instead = "" if fix else "Leave it off; to switch it on, make a role for its names first"
        yield check.at(Gravity.INFORMATIONAL, "config/acme", message, fix, instead)
        return
    path = str(check.mount.data("config/cluster").get("path") or "")
    if path.startswith("https://"):
        return  # told by what its directory answers
    said = f"is {path}, without https" if path else "is not set"
    fix = mount_fix(
        check.mount.path, cluster={"path": f"https://vault.example.com:8200/v1/{check.mount.path}"}
    )
    message = f"ACME is on and can't work: config/cluster path {said}"
    yield check.at(Gravity.WARNING, "config/cluster", message, fix)


def closed_acme(check: MountCheck) -> dict[str, Any]:
    """Return an ACME that signs by one role, for accounts with a binding, as lines of the file.

    {} without a role: there is nothing that it could sign by.
    """
    roles = list(check.mount.roles())
    if not roles:
        return {}
    path = str(check.mount.readable("config/cluster").get("path") or "")
    usable = path if path.startswith("https://") else f"https://vault.example.com:8200/v1/{check.mount.path}"
    return mount_fix(
        check.mount.path,
        cluster={"path": usable},
        acme={
            "enabled": True,
            "default_directory_policy": f"role:{roles[0]}",
            "eab_policy": "always-required",
            "allowed_roles": roles[:1],
            "allowed_issuers": [one.label for one in check.mount.keyed()],
        },
    )


def allow_acme_headers(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the headers that ACME's answers need."""
    if not check.mount.data("config/acme").get("enabled"):
        yield check.at(Gravity.NOT_APPLICABLE, "config/acme", "ACME is off and needs no headers")
        return
    known = _texts(check.mount.tune, "allowed_response_headers")
    missing = [one for one in ACME_HEADERS if one.lower() not in [name.lower() for name in known]]
    if not missing:
        message = "ACME's headers pass"
        yield check.finding(Gravity.OK, check.mount.tune_path, message)
        return
    message = f"ACME is on and Vault holds its headers back: {', '.join(missing)}"
    fix = mount_fix(check.mount.path, tune={"allowed_response_headers": [*known, *missing]})
    yield check.finding(Gravity.WARNING, check.mount.tune_path, message, fix)


def _texts(tune: Mapping[str, Any], field: str) -> list[str]:
    return [str(one) for one in tune.get(field) or ()]


def _moment(value: Any) -> datetime:
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    # Go's times have nanoseconds, of which Python takes six digits.
    head, dot, rest = str(value).partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return parse_rfc3339(f"{head}{dot}{rest[: min(digits, 6)]}{rest[digits:]}")
