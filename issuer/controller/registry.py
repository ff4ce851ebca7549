"""What the controller knows of each issuer right now, and which requests wait for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from issuer.api.issuers import IssuerSpec
from issuer.controller.request import IssuerKey, RequestKey
from issuer.signing.signer import Signer

Identity = tuple[object, ...]
"""What a signer's token belongs to: issuer UID, generation, and the version of each Secret read."""


@dataclass(slots=True, eq=False)
class SharedSigner:
    """A signer with the count of who uses it, closed when it is retired and nobody does.

    An issuer that changes gets a new signer at once, while requests under way
    (and certificates still to be delivered) keep the one they began with.
    """

    signer: Signer
    identity: Identity
    _users: int = 0
    _retired: bool = False
    _closed: bool = False

    def borrow(self) -> SharedSigner:
        """Count one more user; every borrow needs one ``give_back``."""
        self._users += 1
        return self

    async def give_back(self) -> None:
        """One user less."""
        self._users -= 1
        await self._close_if_unused()

    async def retire(self) -> None:
        """No new users will come."""
        self._retired = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._retired and self._users <= 0 and not self._closed:
            self._closed = True
            await self.signer.close()


@dataclass(slots=True, eq=False)
class IssuerEntry:
    """One issuer as the last check left it.

    ``uid`` and ``generation`` tell which object was checked: a request uses the
    entry only while they are those of the object the API server has now.
    ``suspect`` is set when a signing call found it broken although the check
    had passed: then a single request tries first, and the others follow it.
    ``may_approve`` is False where we may not set Approved or Denied for its
    requests but would have to. ``refused`` says which status write with a signed
    certificate the API server refused: until it goes through, nothing is signed.
    """

    key: IssuerKey
    uid: str = ""
    generation: int = 0
    spec: IssuerSpec | None = None
    shared: SharedSigner | None = None
    ready: bool = False
    reason: str = "Pending"
    message: str = "it has not been checked yet"
    suspect: bool = False
    may_approve: bool = True
    refused: str | None = None
    waiting: dict[RequestKey, None] = field(default_factory=dict)

    def describes(self, uid: str, generation: int) -> bool:
        """Whether this entry was made from that very object and spec."""
        return (self.uid, self.generation) == (uid, generation)


class IssuerRegistry:
    """All issuers by key; ``wake`` puts a waiting request back into the queue."""

    def __init__(self, wake: Callable[[RequestKey], None]) -> None:
        self._wake = wake
        self._entries: dict[IssuerKey, IssuerEntry] = {}

    def entry(self, key: IssuerKey) -> IssuerEntry:
        """The entry of that issuer, made empty and not ready when there was none."""
        return self._entries.setdefault(key, IssuerEntry(key))

    def find(self, key: IssuerKey) -> IssuerEntry | None:
        """The entry of that issuer, if it has one."""
        return self._entries.get(key)

    def wait(self, key: IssuerKey, request: RequestKey) -> None:
        """Remember that a request waits for this issuer."""
        self.entry(key).waiting[request] = None

    def mark_broken(self, key: IssuerKey, reason: str, message: str) -> None:
        """The issuer can't sign now; its requests wait until a check says otherwise.

        When the reason is news, they look again, so that each says why it waits.
        """
        entry = self.entry(key)
        news = (entry.reason, entry.message) != (reason, message)
        entry.ready, entry.reason, entry.message = False, reason, message
        if news:
            self.wake_all(key)

    def mark_ready(self, key: IssuerKey) -> None:
        """The issuer signs; wake its requests, or only one while it is suspect."""
        entry = self.entry(key)
        entry.ready, entry.reason, entry.message = True, "Ready", ""
        self._wake_some(entry, 1 if entry.suspect else len(entry.waiting))

    def trust(self, key: IssuerKey) -> None:
        """A signing call succeeded: the others may follow."""
        entry = self.entry(key)
        if entry.suspect:
            entry.suspect = False
            self._wake_some(entry, len(entry.waiting))

    def wake_all(self, key: IssuerKey) -> None:
        """Let every waiting request look again (its issuer appeared, changed or went)."""
        entry = self.entry(key)
        self._wake_some(entry, len(entry.waiting))

    def _wake_some(self, entry: IssuerEntry, count: int) -> None:
        for request in list(entry.waiting)[:count]:
            del entry.waiting[request]
            self._wake(request)

    async def forget(self, key: IssuerKey) -> None:
        """The issuer is gone: drop its signer; whoever waits looks again and says so."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        if entry.shared is not None:
            await entry.shared.retire()
        self._wake_some(entry, len(entry.waiting))

    async def use_signer(self, key: IssuerKey, shared: SharedSigner) -> None:
        """Replace the issuer's signer."""
        entry = self.entry(key)
        old, entry.shared = entry.shared, shared
        if old is not None and old is not shared:
            await old.retire()

    async def close(self) -> None:
        """Retire every signer."""
        for entry in self._entries.values():
            if entry.shared is not None:
                await entry.shared.retire()
