"""Fields as Vault has them, in the form of a file: no defaults, lifetimes as text, `${` escaped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from issuer.pki.resources.values import same

_LIFETIME: Final = re.compile(r"(^|_)(ttl|period|duration|buffer)$")
_VARIABLE: Final = re.compile(r"\$(?=\{[^}]*\})")
_EMPTY: Final = ("", 0, False, None)


def set_fields(
    read: Mapping[str, Any], defaults: Mapping[str, Any], without: Collection[str] = ()
) -> dict[str, Any]:
    """Return the fields that differ from `defaults`, and of others those that hold something."""
    found = {}
    for name, value in read.items():
        if name in without:
            continue
        if name in defaults:
            if same(name, defaults[name], value):
                continue
        elif value in _EMPTY or value in ([], {}):
            continue
        found[name] = written(name, value)
    return found


def written(name: str, value: Any) -> Any:
    """Return a value as the file has it."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Mapping):
        return {escaped(str(key)): written(str(key), one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(name, one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0 and _LIFETIME.search(name):
        return lifetime(value)
    return value


def lifetime(seconds: int) -> str:
    """Return a lifetime in the largest unit that gives a whole number."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def escaped(text: str) -> str:
    """Return text in which no variable is replaced."""
    return _VARIABLE.sub("$$", text)
