"""What a cluster shows of its issuers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from issuer.api.server import server_at


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """A Vault as somebody names it: `host:port` in one spelling, and the namespace there.

    One Vault may have several addresses, such as a Service's and an outer one.
    """

    server: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, address: str, namespace: str | None) -> VaultPlace:
        """Return the place of an address and a namespace as they are written."""
        return cls(server_at(address), namespace or "")

    def whole(self, mount: str) -> str:
        """Return the path of a mount with the namespace before it."""
        parts = [one for one in f"{self.namespace}/{mount}".split("/") if one]
        return "/".join(parts[1:] if parts[0] == "root" and len(parts) > 1 else parts)


@dataclass(frozen=True, slots=True)
class SeenIssuer:
    """One issuer of a cluster: its kind and name, the path by which it signs, the end of its CA as its status
    shows it (None while it shows none), and the Vault that it names."""

    name: str
    path: str
    end: datetime | None
    place: VaultPlace = VaultPlace()


@dataclass(frozen=True, slots=True)
class SeenCluster:
    """All issuers of a cluster; `gaps` are sentences on what may not be read there. A person says of those
    that are named in `elsewhere` that they sign at another Vault."""

    issuers: tuple[SeenIssuer, ...] = ()
    gaps: tuple[str, ...] = ()
    elsewhere: frozenset[str] = frozenset()
