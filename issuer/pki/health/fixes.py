"""Lines of `pki.yaml` that would mend a finding, as an overlay for the file that there is. Pure.

A value of None removes what the file has there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.manifests.text import to_yaml
from issuer.pki.file.model import PkiFile

_FOUNDATION_ALONE: Final = ("policies", "auth", "audit")
_NO_ROOT: Final = ("signedBy", "offline", "import", "existing")


def mount_fix(mount: str, **fields: Any) -> dict[str, Any]:
    """Return the change of some fields of one PKI mount, in the file's keys."""
    return {"mounts": {mount: fields}}


def role_fix(mount: str, role: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change of some fields of one role, in Vault's own names."""
    return mount_fix(mount, roles={role: dict(fields)})


def authority_fix(name: str, **fields: Any) -> dict[str, Any]:
    """Return an authority, or the change of some of its fields, in the file's keys."""
    return {"authorities": {name: fields}}


def in_file(fix: Mapping[str, Any], file: PkiFile | None) -> dict[str, Any]:
    """Return a fix with its mounts and authorities in the part of the file that has them."""
    if not fix:
        return {}
    foundation: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, entries in fix.items():
        for name, value in entries.items():
            if value.get("existing") and _has_authority(file, name):
                continue
            known = file is not None and name in getattr(file.foundation, key)
            target = foundation if known or _belongs_to_foundation(key, value) else rest
            target.setdefault(key, {})[name] = value
    placed = {**({"foundation": foundation} if foundation else {}), **rest}
    held = {} if file is None else file.model_dump(by_alias=True, exclude_defaults=True)
    return _without_needless_nulls(placed, held)


def _has_authority(file: PkiFile | None, name: str) -> bool:
    return file is not None and any(name == one for _, one, _ in file.all_authorities())


def _belongs_to_foundation(key: str, value: Mapping[str, Any]) -> bool:
    makes_root = "subject" in value and not any(one in value for one in _NO_ROOT)
    return key in _FOUNDATION_ALONE or (key == "authorities" and makes_root)


def _without_needless_nulls(fix: Mapping[str, Any], held: object) -> dict[str, Any]:
    found = {}
    for key, value in fix.items():
        below = held.get(key) if isinstance(held, Mapping) else None
        if value is not None or below is not None:
            found[key] = _without_needless_nulls(value, below) if isinstance(value, Mapping) else value
    return found


def to_lines(fix: Mapping[str, Any]) -> str:
    """Return a fix as YAML, "" for none."""
    return to_yaml(fix).rstrip("\n") if fix else ""
