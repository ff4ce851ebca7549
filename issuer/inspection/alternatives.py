"""Issuers that a request may have meant, where it names one that isn't there."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from issuer.inspection.reading import Reader
from issuer.requests.issuers import IssuerKey

_MOST: Final = 3


async def issuers_in_reach(reader: Reader, namespace: str) -> tuple[IssuerKey, ...]:
    """Return the issuers of ours that a request of a namespace could name: those of the cluster and its own.

    Those that may not be read are left out.
    """
    found: list[IssuerKey] = []
    for kind in reader.backends.kinds:
        where = namespace if kind.namespaced else None
        if kind.namespaced and not where:
            continue
        objects = await reader.all(kind.resource, where, what=f"{kind.kind}s are")
        found += [kind.key(where or "", str(one["metadata"]["name"])) for one in objects or ()]
    return tuple(found)


def nearest(name: str, keys: Sequence[IssuerKey]) -> tuple[IssuerKey, ...]:
    """Return the issuers that are most likely meant: of the same name first, then of names that are close.

    Where none is, the only one there is.
    """
    same = [key for key in keys if key.name == name]
    close = get_close_matches(name, list(dict.fromkeys(key.name for key in keys)), n=_MOST, cutoff=0.6)
    found = [*same, *(key for wanted in close for key in keys if key.name == wanted)]
    return tuple(dict.fromkeys(found))[:_MOST] or (tuple(keys) if len(keys) == 1 else ())
