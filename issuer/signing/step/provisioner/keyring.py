"""Provisioners' keys, each decrypted once for each version of key and password.

Decrypting takes 0.16 s of a processor by step-ca's own settings, in a thread. What was learnt of a wrong
password is kept as well: a check a minute must not cost that again.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from issuer.requests.issuers import IssuerKey
from issuer.step.errors import KeyUnusable, WrongPassword
from issuer.step.jwe import EncryptedKey, is_json
from issuer.step.keys import ProvisionerKey, read_private

_JWK: Final = "{"


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """A key, and whether its password had a line end too many."""

    key: ProvisionerKey
    trimmed: bool = False


def is_plain(text: str) -> bool:
    """Return True for a key that isn't encrypted."""
    return text.lstrip().startswith(_JWK) and not is_json(text)


class Keyring:
    """The keys of all issuers of one process, for as long as somebody has their `IssuerKeyring`.

    One key at a time is decrypted for issuers of the cluster, and one for all others, whose namespaces take
    turns: a namespace holds up neither the cluster's nor another namespace's for longer than one key takes.
    """

    def __init__(self) -> None:
        self._tenants = asyncio.Lock()
        self._namespaces: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._issuers: WeakValueDictionary[IssuerKey, IssuerKeyring] = WeakValueDictionary()

    def of(self, issuer: IssuerKey) -> IssuerKeyring:
        """Return the part of one issuer, the same one while somebody has it."""
        found = self._issuers.get(issuer)
        if found is None:
            own = self._namespaces.setdefault(issuer.namespace, asyncio.Lock())
            found = IssuerKeyring((own, self._tenants) if issuer.namespace else (own,))
            self._issuers[issuer] = found
        return found


class IssuerKeyring:
    """The key of one issuer as it was opened last; `locks` are taken in their order to open another."""

    def __init__(self, locks: tuple[asyncio.Lock, ...]) -> None:
        self._locks = locks
        self._last: tuple[bytes, OpenedKey | KeyUnusable] | None = None

    async def open(self, text: str, password: bytes | None, public: bytes | None) -> OpenedKey:
        """Return a key that is given as a private JWK, or encrypted as a JWE.

        The password is tried as it is, then without one line end, then without all. `public` is what its
        public half has to be, as DER. Raises KeyUnusable, AnotherKey, WrongPassword.
        """
        digest = _digest(text.encode(), public or b"", password or b"")
        found = self._kept(digest)
        if found is None:
            async with AsyncExitStack() as stack:
                for lock in self._locks:
                    await stack.enter_async_context(lock)
                found = self._kept(digest)  # another signer of the issuer may have been first
                if found is None:
                    found = await asyncio.to_thread(_opened, text, password, public)
                    self._last = (digest, found)
        if isinstance(found, KeyUnusable):
            raise type(found)(found.message)  # a new one: a traceback grows with each raise
        return found

    def _kept(self, digest: bytes) -> OpenedKey | KeyUnusable | None:
        return self._last[1] if self._last is not None and self._last[0] == digest else None


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _opened(text: str, password: bytes | None, public: bytes | None) -> OpenedKey | KeyUnusable:
    try:
        if is_plain(text):
            return OpenedKey(read_private(text.encode(), public))
        encrypted = EncryptedKey.parse(text)
        if password is None:
            return KeyUnusable("it is encrypted, and no password is given")
        return _decrypted(encrypted, password, public)
    except KeyUnusable as error:
        return error


def _decrypted(encrypted: EncryptedKey, password: bytes, public: bytes | None) -> OpenedKey:
    try:
        return OpenedKey(read_private(encrypted.decrypt(password), public))
    except WrongPassword as wrong:
        for shorter in _without_line_ends(password):
            try:
                return OpenedKey(read_private(encrypted.decrypt(shorter), public), trimmed=True)
            except WrongPassword:
                continue
        raise wrong from None


def _without_line_ends(password: bytes) -> list[bytes]:
    """Return the password without one line end, which editors and `echo` put there, and without all.

    step-issuer leaves all out of variables and files (0.12.0, `controllers/password.go`).
    """
    one = password.removesuffix(b"\n").removesuffix(b"\r") if password.endswith(b"\n") else password
    return [shorter for shorter in dict.fromkeys((one, password.rstrip(b"\r\n"))) if shorter != password]
