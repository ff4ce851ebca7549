"""Provisioners' keys, each decrypted once for each version of key and password.

Decrypting takes 0.16 s of a processor by step-ca's own settings, in a thread. What was learnt of a wrong
password is kept as well: a check a minute must not cost that again.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Final

from issuer.bounded import LruCache
from issuer.step.errors import KeyUnusable, WrongPassword
from issuer.step.jwe import EncryptedKey
from issuer.step.keys import ProvisionerKey, read_private

MAX_KEYS: Final = 256
"""The most keys that are kept, by digest of key and password: an issuer has one."""


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """A key, and whether its password had a line end too many."""

    key: ProvisionerKey
    trimmed: bool = False


class Keyring:
    """The keys of all issuers of one process, found by what they are and by the password that opens them."""

    def __init__(self) -> None:
        self._opened: LruCache[bytes, OpenedKey | KeyUnusable] = LruCache(MAX_KEYS)
        self._decrypting = asyncio.Lock()

    async def open(self, text: str, password: bytes | None) -> OpenedKey:
        """Return a key that is given as a private JWK, or encrypted as a compact JWE.

        The password is tried as it is, then without one line end. Raises KeyUnusable, WrongPassword.
        """
        digest = hashlib.sha256(hashlib.sha256(text.encode()).digest() + (password or b"")).digest()
        async with self._decrypting:  # one at a time: each keeps a processor busy
            found = self._opened.get(digest)
            if found is None:
                found = await _opened(text, password)
                self._opened.put(digest, found)
        if isinstance(found, KeyUnusable):
            raise type(found)(found.message)  # a new one: a traceback grows with each raise
        return found


async def _opened(text: str, password: bytes | None) -> OpenedKey | KeyUnusable:
    try:
        if text.lstrip().startswith("{"):
            return OpenedKey(read_private(text.encode()))
        encrypted = EncryptedKey.parse(text)
        if password is None:
            return KeyUnusable("it is encrypted, and no password is given")
        return await asyncio.to_thread(_decrypted, encrypted, password)
    except KeyUnusable as error:
        return error


def _decrypted(encrypted: EncryptedKey, password: bytes) -> OpenedKey:
    try:
        return OpenedKey(read_private(encrypted.decrypt(password)))
    except WrongPassword:
        shorter = _without_line_end(password)
        if shorter == password:
            raise
        return OpenedKey(read_private(encrypted.decrypt(shorter)), trimmed=True)


def _without_line_end(password: bytes) -> bytes:
    """Return the password without one line end, which editors and `echo` put there."""
    return password.removesuffix(b"\n").removesuffix(b"\r") if password.endswith(b"\n") else password
