"""Signers of issuers, each closed once it is retired and nobody uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from issuer.signing.signer import Signer
from issuer.x509.chains.anchors import Anchors


class Identity(NamedTuple):
    """Owner of a signer and its login.

    `uid` and `generation` are the issuer's; `secrets` are name and resourceVersion of each Secret read.
    """

    uid: str
    generation: int
    secrets: tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class SharedSigner:
    """A signer with the count of who uses it, closed when it is retired and nobody does.

    An issuer that changes gets a new signer at once, while requests under way
    (and certificates still to be delivered) keep the one they began with.
    `anchors` are the CAs that its certificates must lead to, None for any.
    """

    signer: Signer
    identity: Identity
    anchors: Anchors | None = None
    _users: int = 0
    _retired: bool = False
    _closed: bool = False

    def borrow(self) -> SharedSigner:
        """Count one more user; every borrow needs one `give_back`."""
        self._users += 1
        return self

    async def give_back(self) -> None:
        """Count one user less."""
        self._users -= 1
        await self._close_if_unused()

    async def retire(self) -> None:
        """Close the signer once its last user has given it back."""
        self._retired = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._retired and self._users <= 0 and not self._closed:
            self._closed = True
            await self.signer.close()
