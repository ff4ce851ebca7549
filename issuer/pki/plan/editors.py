"""Schemas of `pki.yaml` with Vault's own fields, which editors complete and explain. Pure.

Fields are those of OpenBao 2.7.2 and Vault 1.21; others are allowed, as the server decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.pki.file.schema import json_schema
from issuer.pki.resources import defaults
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.known_fields import KNOWN

_OF_MOUNT: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "tune": ("mount", {}),
    "cluster": ("pki/config/cluster", defaults.CLUSTER),
    "urls": ("pki/config/urls", defaults.URLS),
    "crl": ("pki/config/crl", defaults.CRL),
    "autoTidy": ("pki/config/auto-tidy", defaults.AUTO_TIDY),
    "acme": ("pki/config/acme", defaults.ACME),
}
_Schema = dict[str, Any]


def editor_schema(*, overlay: bool = False) -> dict[str, Any]:
    """Return the schema of a file, or of an overlay, with the names and defaults of Vault's fields."""
    schema = json_schema(overlay=overlay)
    kinds = schema["$defs"]
    mount, authority, login = (kinds[name]["properties"] for name in ("PkiMount", "Authority", "AuthMount"))
    for key, (kind, known) in _OF_MOUNT.items():
        _map_in(mount[key])["properties"] = _fields(kind, known)
    _each_in(mount["roles"])["properties"] = _fields("pki/roles", defaults.ROLE)
    _map_in(authority["settings"])["properties"] = _fields("pki/issuer", defaults.ISSUER)
    _map_in(login["tune"])["properties"] = _fields("auth method", {})
    kinds["AuthMount"]["allOf"] = [_login(kind) for kind in sorted(ROLE_FOLDER)]
    return schema


def _fields(kind: str, known: Mapping[str, Any]) -> _Schema:
    return {name: {"default": known[name]} if name in known else {} for name in sorted(KNOWN[kind])}


def _login(kind: str) -> _Schema:
    """Return what the maps of one type of auth method hold."""
    role = {"properties": _fields(f"{kind}/{ROLE_FOLDER[kind]}", defaults.AUTH_ROLE[kind])}
    held: _Schema = {"roles": {"additionalProperties": role}}
    if f"{kind}/config" in KNOWN:
        held["config"] = {"properties": _fields(f"{kind}/config", {})}
    wanted = {"properties": {"type": {"const": kind}}, "required": ["type"]}
    return {"if": wanted, "then": {"properties": held}}


def _map_in(schema: _Schema) -> _Schema:
    """Return the part of a schema that stands for the map itself, where null is another choice."""
    return next((one for one in schema.get("anyOf", ()) if one.get("type") == "object"), schema)


def _each_in(schema: _Schema) -> _Schema:
    """Return the part of a map's schema that stands for each value."""
    (value,) = _map_in(schema)["patternProperties"].values()
    return _map_in(value)
