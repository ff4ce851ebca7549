"""Equality of a wanted value with what Vault reads back.

Vault normalises unevenly: `72h` comes back as 259200 or as `72h`, `a,b` as a list, a list as `a,b`,
`127.0.0.1/32` as `127.0.0.1` in one field and unchanged in the next. Each is one value here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from issuer.pki.file.durations import seconds
from issuer.pki.file.names import as_kept
from issuer.pki.secret import plain
from issuer.text import TRUTHS

_TEXTS: Final = frozenset({"description"})
"""Fields of free text, in which a comma or a number means nothing."""
_ORDERED: Final = frozenset(
    {
        *("manual_chain", "issuing_certificates", "crl_distribution_points", "ocsp_servers"),
        "delta_crl_distribution_points",
    }
)
"""Fields whose lists stand in certificates and chains in their order; the order of others means nothing."""
_POLICIES: Final = frozenset({"policies", "token_policies"})
"""Fields of names of policies, which mean the same in any case and however often."""


def same(field: str, wanted: Any, read: Any) -> bool:
    """Return True if `read` is how Vault gives `wanted` back."""
    wanted, read = plain(wanted), plain(read)
    return bool(_canonical(field, wanted, read) == _canonical(field, read, wanted))


def _canonical(field: str, value: Any, other: Any) -> Any:
    if field in _TEXTS:
        return str(value or "").strip()
    if isinstance(other, Mapping) and value in (None, ""):
        return {}
    if isinstance(value, Mapping):
        inner = other if isinstance(other, Mapping) else {}
        return {key: _canonical(str(key), one, inner.get(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple)) or isinstance(other, (list, tuple)) or _comma(value, other):
        items = [_item(field, one) for one in _items(value)]
        if field in _POLICIES:
            return sorted({as_kept(one) for one in items})
        return items if field in _ORDERED else sorted(items)
    return _scalar(value, other)


def _comma(value: Any, other: Any) -> bool:
    return any(isinstance(one, str) and "," in one for one in (value, other))


def _items(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _item(field: str, value: Any) -> str:
    text = str(value).strip()
    if "cidr" in field:
        try:
            return str(ipaddress.ip_network(text, strict=False))
        except ValueError:
            return text
    return text


def _scalar(value: Any, other: Any) -> Any:
    if isinstance(value, bool) or isinstance(other, bool):
        return _truth(value)
    if value is None or value == "":
        # An absent text, number and lifetime are the same to Vault.
        return 0 if isinstance(other, int) else ""
    as_seconds = _seconds(value)
    if as_seconds is not None and (other in (None, "") or _seconds(other) is not None):
        return as_seconds
    return value if isinstance(value, (int, float)) else str(value).strip()


def _truth(value: Any) -> Any:
    if isinstance(value, str) and value in TRUTHS:
        return TRUTHS[value]
    return bool(value) if value in (None, "", 0, 1) else value


def _seconds(value: Any) -> int | None:
    try:
        return seconds(value)
    except ValueError:
        return None
