"""Policies, auth methods and audit devices of an export."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from issuer.pki.export.choice import ExportChoice
from issuer.pki.export.document import ExportDocument
from issuer.pki.export.fields import escaped, set_fields, written
from issuer.pki.export.mounts import described, refused
from issuer.pki.export.reading import POLICIES, auth_mounts, names
from issuer.pki.file.access import OLD_NAMES, PROVIDER
from issuer.pki.file.model import Part
from issuer.pki.file.place import Path
from issuer.pki.resources.audit import TABLE as AUDIT
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.mounts import AUTH
from issuer.pki.server.reading import VaultReading

_HERE: Final = Part.FOUNDATION.value
_UNSET: Final = {
    # Vault's own values that are not empty.
    "alias_name_source": "serviceaccount_uid",
    "bind_secret_id": True,
    "bound_claims_type": "string",
    "callback_mode": "client",
    "namespace_in_state": True,
    "token_type": "default",
}
_SECRETS: Final = {"kubernetes": "token_reviewer_jwt", "jwt": "oidc_client_secret"}
_NOT_CONFIG: Final = frozenset({"status", "token_reviewer_jwt_set"})


def policies_of(
    document: ExportDocument, reading: VaultReading, choice: ExportChoice, mounts: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the policies that name one of the mounts; with a prefix, all that begin with it."""
    refused(document, reading, (_HERE,), POLICIES)
    found = {}
    for name in names(reading, POLICIES):
        path = f"{POLICIES}{name}"
        if not choice.wants_name(name) or refused(document, reading, (_HERE,), path):
            continue
        text = str((reading.data(path) or {}).get("policy", ""))
        if choice.prefix or any(re.search(rf'"(\+|{re.escape(one)})/', text) for one in mounts):
            found[name] = {"text": escaped(text)}
    found.pop("default", None)
    found.pop("root", None)
    return found


def describe_auth(
    document: ExportDocument, reading: VaultReading, choice: ExportChoice, policies: Collection[str]
) -> None:
    """Put the auth methods that give one of the policies, or that were chosen by name."""
    refused(document, reading, (_HERE,), AUTH)
    for mount, kind in auth_mounts(reading, choice):
        roles = dict(_roles(document, reading, mount, kind))
        if mount not in choice.auth:
            roles = {name: role for name, role in roles.items() if _gives(role, policies)}
            if not roles:
                continue
        entry = (reading.data(AUTH) or {}).get(f"{mount}/") or {}
        where: Path = (_HERE, "auth", mount)
        document.put(where, {"type": kind, **described(entry)})
        _describe_config(document, reading, where, kind)
        document.admit((*where, "roles"), roles)
        if kind == "approle":
            document.comment(where, "Role ids and secret-ids are not part of a file.")


def _describe_config(document: ExportDocument, reading: VaultReading, where: Path, kind: str) -> None:
    path = f"auth/{where[-1]}/config"
    if refused(document, reading, where, path):
        return
    read = reading.data(path) or {}
    without = set(_NOT_CONFIG)
    if read.get(PROVIDER):
        without.add(PROVIDER)
        document.leave_out(where, f"Left out: {PROVIDER} of {path}, which may hold a credential")
    config = set_fields(read, {**_UNSET, "disable_iss_validation": True}, without)
    if read:
        _describe_secret(document, where, kind, read, config)
    if config:
        document.put((*where, "config"), config)


def _describe_secret(
    document: ExportDocument, where: Path, kind: str, read: Mapping[str, Any], config: dict[str, Any]
) -> None:
    """Have a variable stand for what is set and can't be read."""
    name = _SECRETS.get(kind)
    if name is None:
        return
    told = read.get(f"{name}_set")
    if told is None and kind == "jwt":
        told = bool(read.get("oidc_client_id"))
    if told is None:
        document.leave_out(where, f"Not read: Vault doesn't tell whether {name} is set")
    elif told:
        variable = re.sub(r"\W", "_", f"{where[-1]}_{name}", flags=re.ASCII).upper()
        variable = f"_{variable}" if variable[0].isdigit() else variable
        config[name] = f"${{{variable}}}"
        document.variables[variable] = f"{name} of auth/{where[-1]}"


def _roles(
    document: ExportDocument, reading: VaultReading, mount: str, kind: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = f"auth/{mount}/{ROLE_FOLDER[kind]}/"
    refused(document, reading, (_HERE,), folder)
    for name in names(reading, folder):
        read = reading.data(f"{folder}{name}")
        if refused(document, reading, (_HERE,), f"{folder}{name}") or read is None:
            continue
        old = {one for one, new in OLD_NAMES.items() if new in read}
        defaults = {**_UNSET, "display_name": name}
        yield name, set_fields(read, defaults, old)


def _gives(role: Mapping[str, Any], policies: Collection[str]) -> bool:
    given = role.get("token_policies", role.get("policies")) or ()
    return any(one in policies for one in given)


def audit_of(document: ExportDocument, reading: VaultReading) -> dict[str, dict[str, Any]]:
    """Return the audit devices."""
    if refused(document, reading, (_HERE,), AUDIT):
        return {}
    found = {}
    for path, entry in sorted((reading.data(AUDIT) or {}).items()):
        if isinstance(entry, Mapping):
            device: dict[str, Any] = {"type": entry.get("type", "file")}
            if entry.get("description"):
                device["description"] = escaped(str(entry["description"]))
            options = {key: str(value) for key, value in (entry.get("options") or {}).items()}
            found[path.rstrip("/")] = {**device, "options": written("options", options)}
    return found
