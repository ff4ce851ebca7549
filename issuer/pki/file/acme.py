"""ACME of one mount, as `pki.yaml` gives it: what it names, and what would leave it open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer.pki.file.model import PkiMount

_ROLE: Final = "role:"
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
        (default,) if default else (), _names(acme.get("allowed_roles")), _names(acme.get("allowed_issuers"))
    )


def acme_contradictions(mount: PkiMount) -> Iterator[Problem]:
    """Yield what would leave the ACME of a mount open, and what contradicts the rest of the mount."""
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


def is_off(value: object) -> bool:
    """Return True for what Vault takes as false (Go's strconv.ParseBool); all else may switch it on."""
    return value in (None, False) or str(value) in ("", "0", "f", "F", "false", "FALSE", "False")


def _names(value: object) -> tuple[str, ...]:
    """Return the names of a list, which Vault also takes as text with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        return ()
    return tuple(name for one in items if (name := str(one).strip()))
