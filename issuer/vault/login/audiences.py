"""Audiences of the ServiceAccount tokens that issuers log in with."""

from __future__ import annotations

import re
from collections.abc import Iterable

# In any case and spelling: Vault compares whole texts, but people who read a role may not.
_ISSUERS = re.compile(r"\s*vault:", re.IGNORECASE)


def own_audience(namespace: str, name: str) -> str:
    """Return an issuer's own audience by cert-manager's rule: `vault://<namespace>/<issuer>`, or
    `vault://<issuer>` for a cluster issuer.

    Tokens of other issuers don't have it.
    """
    return f"vault://{namespace}/{name}" if namespace else f"vault://{name}"


def foreign_audience(namespace: str, name: str, audiences: Iterable[str]) -> str | None:
    """Return the first audience that has the form of an issuer's own and is not this issuer's, or None."""
    own = own_audience(namespace, name)
    return next((one for one in audiences if one != own and _ISSUERS.match(one)), None)
