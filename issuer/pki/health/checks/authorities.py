"""Checks of CAs, their lists, and what a mount has stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from cryptography import x509

from issuer.pki.authorities.parts import serial_text
from issuer.pki.health.checks.check import LET_IT_READ, MountCheck
from issuer.pki.health.checks.mounts import TIDY
from issuer.pki.health.checks.successor import successor
from issuer.pki.health.facts import IssuerFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import mount_fix
from issuer.site import docs_page
from issuer.text import rfc3339
from issuer.x509.chains.links import signed_by

_GRADES: Final = (Gravity.CRITICAL, Gravity.WARNING, Gravity.INFORMATIONAL)


def ca_validity_period(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on how long each issuer is still valid."""
    yield from _unread(check)
    for issuer in check.mount.issuers:
        kind = "root" if issuer.is_root else "intermediate"
        end = issuer.certificate.not_valid_after_utc
        severity, within = Gravity.OK, timedelta()
        for grade in _GRADES:
            within = check.duration(f"{kind}_expiry_{grade.value}")
            if end < check.now + within:
                severity = grade
                break
        message = f"{issuer.label} ({kind}) is valid until {rfc3339(end)}"
        fix, instead = None, ""
        if severity is not Gravity.OK:
            message += f", less than {within.days} days: make its successor now, under another name"
            fix, instead = successor(check, issuer)
        yield check.at(severity, f"issuer/{issuer.identifier}", message, fix, instead)


def _unread(check: MountCheck, *below: str) -> Iterator[HealthFinding]:
    """Yield the issuers that the list names and that may not be read, or what may not be read below them."""
    for identifier in check.mount.identifiers():
        for end in below or ("",):
            path = f"issuer/{identifier}{end}"
            why = check.mount.reading.refused.get(f"{check.mount.path}/{path}")
            if why is not None:
                yield check.at(Gravity.NOT_CHECKED, path, f"It can't be read: {why}", instead=LET_IT_READ)


def crl_validity_period(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on how much of each CRL's time is used up.

    `bao pki health-check` looks for a field `disabled` of config/crl, which no server has, so it never
    lowers the severity; the field is `disable`.
    """
    disabled = bool(check.mount.data("config/crl").get("disable"))
    yield from _unread(check, "/crl", "/crl/delta")
    for issuer in check.mount.keyed():
        for kind, below, found in (
            ("CRL", "crl", issuer.crl),
            ("delta CRL", "crl/delta", issuer.delta),
        ):
            if found is not None:
                yield _of_list(check, issuer, (kind, below), found, disabled)


def _of_list(
    check: MountCheck,
    issuer: IssuerFacts,
    kind: tuple[str, str],
    found: x509.CertificateRevocationList,
    disabled: bool,
) -> HealthFinding:
    prefix = "delta_" if "delta" in kind[1] else ""
    percentage = check.number(f"{prefix}crl_expiry_pct_critical")
    start, end = found.last_update_utc, found.next_update_utc
    endpoint = f"issuer/{issuer.identifier}/{kind[1]}"
    if end is None:
        message = f"The {kind[0]} of {issuer.label} names no next one"
        return check.at(Gravity.CRITICAL, endpoint, message, instead=_rebuild(check))
    message = f"The {kind[0]} of {issuer.label} is valid until {rfc3339(end)}"
    if check.now - start < (end - start) * percentage / 100:
        return check.at(Gravity.OK, endpoint, message)
    message += f": more than {percentage} % of its time is used up"
    if disabled:
        fix = mount_fix(check.mount.path, crl={"disable": False, "auto_rebuild": True})
        return check.at(Gravity.INFORMATIONAL, endpoint, f"{message}. The mount's CRL is disabled", fix)
    if check.mount.data("config/crl").get("auto_rebuild"):
        message += ", although auto_rebuild is on"
        return check.at(Gravity.CRITICAL, endpoint, message, instead=_rebuild(check))
    fix = mount_fix(check.mount.path, crl={"auto_rebuild": True})
    return check.at(Gravity.CRITICAL, endpoint, f"{message}. Have Vault rebuild it automatically", fix)


def _rebuild(check: MountCheck) -> str:
    return f"Have Vault make a new one: vault read {check.mount.path}/crl/rotate"


def hardware_backed_root(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the key of each root: in an HSM or KMS, or Vault's own."""
    for issuer in check.mount.roots():
        if not issuer.key_id:
            continue
        managed = check.mount.data(f"key/{issuer.key_id}").get("managed_key_id")
        endpoint = f"issuer/{issuer.identifier}"
        if managed:
            yield check.at(Gravity.OK, endpoint, f"The key of {issuer.label} is a managed key ({managed})")
        else:
            message = f"The key of the root {issuer.label} is in no HSM"
            instead = f"Make the next root offline, by `vault-issuer root init` ({docs_page('offline-root')})"
            yield check.at(Gravity.INFORMATIONAL, endpoint, message, instead=instead)


def root_issued_leaves(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the roots that signed leaves themselves, among the certificates that were read."""
    check.mount.data("certs/")
    roots = check.mount.roots()
    guilty = 0
    for issuer in roots:
        leaf = next((one for one in check.mount.leaves if signed_by(one, issuer.certificate)), None)
        if leaf is not None:
            guilty += 1
            message = (
                f"The root {issuer.label} signed certificates of servers or clients itself "
                f"({serial_text(leaf)}); have an intermediate CA sign them, and remove the roles here "
                "(pki apply --prune)"
            )
            names = check.mount.readable("roles/").get("keys") or ()
            fix = mount_fix(check.mount.path, exclusive=True, roles=dict.fromkeys(map(str, names)))
            yield check.at(Gravity.WARNING, f"issuer/{issuer.identifier}", message, fix)
    if roots and not guilty:
        yield check.at(Gravity.OK, "certs", "No root of this mount signed leaves itself")


def too_many_certs(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield a verdict on the number of certificates that the mount stores."""
    number = len(check.mount.serials())
    severity = Gravity.OK
    if number >= check.number("count_critical"):
        severity = Gravity.CRITICAL
    elif number >= check.number("count_warning"):
        severity = Gravity.WARNING
    message = f"{number} certificates are stored"
    tidy = check.mount.readable("config/auto-tidy")
    if severity is Gravity.OK:
        yield check.at(severity, "certs", message)
    elif tidy.get("enabled") and tidy.get("tidy_cert_store"):
        instead = "Issue for shorter times, or by roles with no_store: auto-tidy removes expired ones already"
        yield check.at(severity, "certs", message, instead=instead)
    else:
        message += "; let tidy remove the expired ones, and issue for shorter times"
        fix = mount_fix(check.mount.path, autoTidy=dict(TIDY))
        yield check.at(severity, "certs", message, fix)
