"""Bounds the memory that a namespace's issuers take for their TLS: whoever may write one names the CAs."""

from __future__ import annotations

from typing import Final

from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import MemoryUse
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.reasons import SigningIssuerReason

MAX_TLS: Final = 32 << 20
"""Bytes that one namespace's issuers may take for what their TLS trusts and shows: some 40 times the system's
CAs beside a client certificate, or 1,000 times a small bundle."""


class TLSMemory:
    """Memory that each issuer's TLS takes, by namespace. Cluster issuers are their administrator's, and have
    no bound."""

    def __init__(self) -> None:
        self._uses: dict[str, dict[IssuerKey, MemoryUse]] = {}

    def use(self, key: IssuerKey, use: MemoryUse) -> None:
        """Count what an issuer takes. Raises IssuerBroken where its namespace has no room for it.

        What several use the same of counts once.
        """
        if not key.namespace:
            return
        uses = self._uses.setdefault(key.namespace, {})
        sizes = {one.what: one.size for other, one in uses.items() if other != key} | {use.what: use.size}
        if sum(sizes.values()) > MAX_TLS:
            raise IssuerBroken(
                SigningIssuerReason.INVALID_CONNECTION,
                f"the issuers of namespace {key.namespace} would take more than {MAX_TLS >> 20} MiB of "
                "memory for the CAs and client certificates of their TLS. What several have the same counts "
                "once: let them share these, or give those with a client certificate a small caBundle, as "
                "without one each has all of the system's CAs",
            )
        uses[key] = use

    def forget(self, key: IssuerKey) -> None:
        """Forget an issuer that is gone."""
        uses = self._uses.get(key.namespace)
        if uses is not None:
            uses.pop(key, None)
            if not uses:
                del self._uses[key.namespace]
