"""Audiences of the ServiceAccount tokens that issuers log in with."""

from __future__ import annotations

import re
from collections.abc import Iterable

# However it is written: Vault compares whole texts, but who reads a role may not.
_ISSUERS = re.compile(r"\s*vault:", re.IGNORECASE)


def own_audience(namespace: str, name: str) -> str:
    """`vault://<namespace>/<issuer>`, or `vault://<issuer>` for a cluster issuer: cert-manager's rule.

    No other issuer's tokens have it.
    """
    return f"vault://{namespace}/{name}" if namespace else f"vault://{name}"


def foreign_audience(namespace: str, name: str, audiences: Iterable[str]) -> str | None:
    """The first audience that is in the form of an issuer's own, and is not this issuer's."""
    own = own_audience(namespace, name)
    return next((one for one in audiences if one != own and _ISSUERS.match(one)), None)
