"""DNS names and the name constraints that hold them."""

from __future__ import annotations

from collections.abc import Iterable


def is_below(domain: str, permitted: str) -> bool:
    """Return True if a DNS name constraint holds a domain and all that is below it.

    A dot before either counts for nothing, as Vault's own users write both (RFC 5280, 4.2.1.10, has none).
    """
    name, held = permitted.lstrip(".").lower(), domain.lstrip(".").lower()
    return held == name or held.endswith(f".{name}")


def outside(domains: Iterable[str], permitted: Iterable[str]) -> list[str]:
    """Return the domains that none of the permitted ones holds; all are held where nothing is permitted by
    name."""
    held = tuple(permitted)
    return [one for one in domains if held and not any(is_below(one, name) for name in held)]
