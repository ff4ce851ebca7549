"""Certificates that a server sent: their order, and the time that is left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from issuer.x509.certificates import Certificate
from issuer.x509.chains.links import signed_by
from issuer.x509.describe import subject_text


@dataclass(frozen=True, slots=True)
class Served:
    """Certificates as a server sent them.

    Attributes:
        peer: the address that was dialled, `host:port` in numbers.
        chain: what was sent, the server's own certificate first.
        protocol: TLS version, such as "TLSv1.3"; empty if the handshake wasn't finished.
        verified: the way up by which it was verified, the server's own first; empty if it wasn't.
    """

    peer: str
    chain: tuple[Certificate, ...]
    protocol: str = ""
    verified: tuple[Certificate, ...] = ()

    @property
    def leaf(self) -> Certificate:
        """Return the server's own certificate."""
        return self.chain[0]

    @property
    def not_after(self) -> datetime:
        """Return the end of the first certificate of the chain to end: then it is of no use."""
        return min(one.not_valid_after_utc for one in self.chain)

    def left(self, now: datetime) -> timedelta:
        """Return the time that is left at `now`; negative if it is over."""
        return self.not_after - now

    def order_problem(self) -> str:
        """Return what is wrong with the order, empty if nothing is.

        Each certificate should be signed by the next (RFC 8446, section 4.4.2); many clients stop at the
        first that isn't. A root at the end does no harm.
        """
        for number, (child, signer) in enumerate(pairwise(self.chain), start=1):
            if signer in self.chain[:number]:
                return f"certificate {number + 1} is sent twice: leave it out"
            if not signed_by(child, signer):
                return (
                    f"certificate {number} is not signed by certificate {number + 1} "
                    f"({subject_text(signer)[:200]}): put the server's own first, then each CA behind what "
                    "it signed"
                )
        return ""
