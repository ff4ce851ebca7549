"""Lines of `pki.yaml` that would mend a finding, as an overlay for the file that there is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.manifests.text import to_yaml
from issuer.pki.file.model import PkiFile

_FOUNDATION_ALONE: Final = ("policies", "auth", "audit")


def mount_fix(mount: str, **fields: Any) -> dict[str, Any]:
    """Return the change of some fields of one PKI mount, in the file's keys."""
    return {"mounts": {mount: fields}}


def role_fix(mount: str, role: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change of some fields of one role, in Vault's own names."""
    return mount_fix(mount, roles={role: dict(fields)})


def in_file(fix: Mapping[str, Any], file: PkiFile | None) -> dict[str, Any]:
    """Return a fix with its mounts and authorities in the part of the file that has them."""
    if not fix:
        return {}
    foundation: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, entries in fix.items():
        for name, value in entries.items():
            known = file is not None and name in getattr(file.foundation, key)
            target = foundation if key in _FOUNDATION_ALONE or known else rest
            target.setdefault(key, {})[name] = value
    return {**({"foundation": foundation} if foundation else {}), **rest}


def to_lines(fix: Mapping[str, Any]) -> str:
    """Return a fix as YAML, "" for none."""
    return to_yaml(fix).rstrip("\n") if fix else ""
