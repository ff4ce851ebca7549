"""Contradictions within the config of one mount, each as Vault would refuse it half-way; and ACME's names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer.pki.file.durations import seconds
from issuer.pki.file.model import PkiMount
from issuer.text import TRUTHS

_ROLE: Final = "role:"
_IGNORED: Final = "tidy_revocation_list"
ISSUES: Final = "issuing-certificates"
"""Usage of an issuer that may sign."""
Problem = tuple[tuple[str, ...], str]
"""Path of a key below the mount, and a sentence with the change."""


@dataclass(frozen=True, slots=True)
class AcmeNames:
    """Names of roles and issuers in an ACME that is on; `default_role` has one or none."""

    default_role: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()


def acme_names(acme: Mapping[str, Any]) -> AcmeNames:
    """Return the names that an ACME gives, none if it is off."""
    if is_off(acme.get("enabled")):
        return AcmeNames()
    policy = str(acme.get("default_directory_policy", ""))
    default = policy.removeprefix(_ROLE) if policy.startswith(_ROLE) else ""
    return AcmeNames(
        (default,) if default else (),
        names_of(acme.get("allowed_roles")),
        names_of(acme.get("allowed_issuers")),
    )


def mount_contradictions(mount: PkiMount) -> Iterator[Problem]:
    """Yield what Vault would refuse of a mount's config, and what would leave its ACME open."""
    yield from _tune(mount.tune)
    yield from _crl(mount.crl or {})
    yield from _tidy(mount.auto_tidy or {})
    yield from _acme(mount)


def _tune(tune: Mapping[str, Any]) -> Iterator[Problem]:
    usual, longest = lifetime(tune.get("default_lease_ttl")), lifetime(tune.get("max_lease_ttl"))
    if usual and longest and usual > longest:
        yield ("tune", "default_lease_ttl"), "is longer than max_lease_ttl; shorten it"


def _crl(crl: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield contradictions of a CRL. Vault's own values where a field is left out: 72h, 12h, 15m."""
    rebuilds, has_delta = not is_off(crl.get("auto_rebuild")), not is_off(crl.get("enable_delta"))
    if has_delta and not rebuilds:
        sentence = "delta CRLs need auto_rebuild; set that to true, or remove enable_delta"
        yield ("crl", "enable_delta"), sentence
    expiry = lifetime(crl.get("expiry", "72h"))
    for name, counts, default in (
        ("auto_rebuild_grace_period", rebuilds, "12h"),
        ("delta_rebuild_interval", has_delta, "15m"),
    ):
        length = lifetime(crl.get(name, default))
        if counts and expiry and length and length >= expiry:
            yield ("crl", name if name in crl else "expiry"), f"{name} must be shorter than expiry"


def _tidy(tidy: Mapping[str, Any]) -> Iterator[Problem]:
    if _IGNORED in tidy:
        yield ("autoTidy", _IGNORED), "Vault takes and ignores it; write tidy_revoked_certs"
    named = [name for name, value in tidy.items() if name.startswith("tidy_") and not is_off(value)]
    if not is_off(tidy.get("enabled")) and not named:
        sentence = "is enabled and tidies nothing; set tidy_cert_store and tidy_revoked_certs to true"
        yield ("autoTidy",), sentence


def _acme(mount: PkiMount) -> Iterator[Problem]:
    acme = mount.acme
    if acme is None or is_off(acme.get("enabled")):
        return
    for sentence in _open(acme):
        yield ("acme",), sentence
    if not (mount.cluster or {}).get("path"):
        yield ("acme",), "ACME needs cluster.path, the address that its clients see"
    names = acme_names(acme)
    for role in names.default_role:
        if names.roles and not {role, "*"} & set(names.roles):
            yield ("acme", "default_directory_policy"), f"allowed_roles doesn't have {role}; add it there"
    for role in dict.fromkeys((*names.default_role, *names.roles)):
        if not is_off((mount.roles.get(role) or {}).get("no_store")):
            sentence = f"ACME uses the role {role} and needs stored certificates; remove no_store"
            yield ("roles", role, "no_store"), sentence


def _open(acme: Mapping[str, Any]) -> Iterator[str]:
    policy = str(acme.get("default_directory_policy", ""))
    if policy != "forbid" and (not policy.startswith(_ROLE) or policy == _ROLE):
        yield "default_directory_policy must be role:NAME or forbid, not sign-verbatim"
    if acme.get("eab_policy") != "always-required":
        yield "eab_policy must be always-required; else anybody may open an account"
    for key in ("allowed_roles", "allowed_issuers"):
        if not acme.get(key) or "*" in acme[key]:
            yield f"{key} must name them; Vault's own is all of them"


def lifetime(value: object) -> int | None:
    """Return a lifetime in seconds, None where there is none or it can't be read."""
    try:
        return None if value is None else seconds(value)
    except ValueError:
        return None


def is_off(value: object) -> bool:
    """Return True for what Vault takes as false (Go's strconv.ParseBool); all else may switch it on."""
    return value in (None, False) or TRUTHS.get(str(value)) is False


def may_sign(settings: Mapping[str, Any]) -> bool:
    """Return True unless the settings of an issuer take the usage `issuing-certificates` from it."""
    usage = settings.get("usage")
    return usage is None or ISSUES in names_of(usage)


def names_of(value: object) -> tuple[str, ...]:
    """Return the names of a list, which Vault also takes as text with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        return ()
    return tuple(name for one in items if (name := str(one).strip()))
