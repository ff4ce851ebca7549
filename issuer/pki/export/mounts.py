"""PKI mounts of an export: tuning, config paths and roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.pki.export.document import ExportDocument
from issuer.pki.export.fields import set_fields
from issuer.pki.export.reading import names
from issuer.pki.file.place import Path
from issuer.pki.resources import defaults
from issuer.pki.resources.mounts import SECRETS
from issuer.pki.server.reading import VaultReading

_BLOCKS: Final = (
    ("cluster", "cluster", defaults.CLUSTER),
    ("urls", "urls", defaults.URLS),
    ("crl", "crl", defaults.CRL),
    ("autoTidy", "auto-tidy", defaults.AUTO_TIDY),
    ("acme", "acme", defaults.ACME),
)


def describe_mount(document: ExportDocument, reading: VaultReading, where: Path, mount: str) -> None:
    """Put one mount to `where`, with everything in it but roles and issuers.

    A config that a file refuses, such as ACME that is open to anybody, is left out.
    """
    entry = (reading.data(SECRETS) or {}).get(f"{mount}/") or {}
    document.put(where, described(entry))
    for key, name, default in _BLOCKS:
        path = f"{mount}/config/{name}"
        if refused(document, reading, where, path):
            continue
        read = reading.data(path)
        if read is None:
            continue  # a server without it
        fields = set_fields(read, default)
        # Vault gives one for the other where only the general one was set.
        if read.get("revoked_safety_buffer") == read.get("safety_buffer"):
            fields.pop("revoked_safety_buffer", None)
        problem = document.try_put((*where, key), fields) if fields else ""
        if problem:
            document.leave_out(where, problem, {key: fields})


def described(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return description and tuning of a mount from its entry in a table of mounts."""
    found: dict[str, Any] = {}
    if entry.get("description"):
        found["description"] = entry["description"]
    tune = set_fields(entry.get("config") or {}, {"token_type": "default-service"})
    if tune:
        found["tune"] = tune
    return found


def roles_of(
    document: ExportDocument, reading: VaultReading, where: Path, mount: str
) -> dict[str, dict[str, Any]]:
    """Return the roles of a mount; comment on those that may not be read."""
    found = {}
    refused(document, reading, where, f"{mount}/roles/")
    for name in names(reading, f"{mount}/roles/"):
        path = f"{mount}/roles/{name}"
        read = reading.data(path)
        if refused(document, reading, where, path) or read is None:
            continue
        bits = defaults.ROLE_KEY_BITS.get(str(read.get("key_type")), 0)
        found[name] = set_fields(read, {**defaults.ROLE, "key_bits": bits})
    return found


def refused(document: ExportDocument, reading: VaultReading, where: Path, path: str) -> bool:
    """Return True if the path may not be read, and tell so at `where`."""
    why = reading.refused.get(path)
    if why is None:
        return False
    document.leave_out(where, f"Not read: {path}: {why}")
    return True
