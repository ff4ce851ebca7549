"""PKCS#12 files: whether one is opened by its password, and holds what it should.

Each look asks that of each file, and an opening derives keys for 7 ms: what was found good is remembered for
as long as the process lives, by a keyed hash of file and password.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import pkcs12

from issuer.agent.config.files import CopiedFile, SetFile
from issuer.agent.config.model import CAChainSpec, CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import FileKind, is_legacy
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.files.regular import read_regular
from issuer.bounded import LruCache

_MAX_PASSWORD: Final = 1024
"""Bytes of the longest password: PKCS#12's readers take less."""
_REMEMBERED: Final = 4096
"""Files that are remembered, the newest: more than four for each of the most sets."""


class _Remembered:
    """Hashes of what was found good, the newest; none can be made without this process's own key."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._seen: LruCache[bytes, bool] = LruCache(_REMEMBERED)

    def has(self, *parts: bytes) -> bool:
        """Return True if these parts were found good."""
        return self._seen.get(self._hash(parts)) is not None

    def add(self, *parts: bytes) -> None:
        """Remember that these parts were found good."""
        self._seen.put(self._hash(parts), True)

    def _hash(self, parts: tuple[bytes, ...]) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


_good: Final = _Remembered()


def stale_stores(spec: CertificateSpec | CAChainSpec, folder: GenerationFolder) -> tuple[str, ...]:
    """Return the names of the set's PKCS#12 files that their password doesn't open, as it was changed."""
    return tuple(
        one.name
        for one in spec.files
        if one.kind is FileKind.PKCS12 and one.password_file is not None and not _opens(one, folder)
    )


def _opens(one: SetFile, folder: GenerationFolder) -> bool:
    data = folder.read(one.name)
    try:
        password = None if one.password_file is None else read_password(one.password_file)
        if data is None or password is None or _good.has(data, password):
            return True
        pkcs12.load_pkcs12(data, password)
    except AgentError:  # `password_problems` tells
        return True
    except ValueError:
        return False
    _good.add(data, password)
    return True


def known_copy(one: CopiedFile, wanted: bytes) -> bytes | None:
    """Return the PKCS#12 file that is there if it was found to hold what `wanted` stands for, else None."""
    try:
        there = read_regular(one.path)
        return there if _good.has(*_of_copy(one, there, wanted)) else None
    except (AgentError, OSError):
        return None


def note_copy(one: CopiedFile, data: bytes, wanted: bytes) -> None:
    """Remember that a PKCS#12 file holds what `wanted` stands for. Raises AgentError."""
    _good.add(*_of_copy(one, data, wanted))


def _of_copy(one: CopiedFile, data: bytes, wanted: bytes) -> tuple[bytes, ...]:
    password = b"" if one.password_file is None else read_password(one.password_file)
    return data, password, one.profile.value.encode(), wanted


def same_store(one: CopiedFile, wanted: bytes) -> bytes | None:
    """Return a PKCS#12 file that holds the same as `wanted`, else None: its bytes differ each time, by the
    salt. Raises AgentError."""
    password = None if one.password_file is None else read_password(one.password_file)
    try:
        there = read_regular(one.path)
        stores = [pkcs12.load_pkcs12(data, password) for data in (there, wanted)]
    except (AgentError, OSError, ValueError):
        return None
    same = stores[0].cert == stores[1].cert and stores[0].additional_certs == stores[1].additional_certs
    return there if same and is_legacy(there) == is_legacy(wanted) else None


def read_password(path: Path) -> bytes:
    """Return the password in a file. Raises AgentError if it can't be read, or is none."""
    try:
        # Nobody may ever write to a FIFO.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(_MAX_PASSWORD + 1)
    except OSError as error:
        raise AgentError(f'The password file "{path}" can\'t be read: {error.strerror}') from error
    password = data.rstrip(b"\r\n")
    if not password:
        # PKCS#12 files would be written without one, and the key with them.
        raise AgentError(f'The password file "{path}" is empty: write the password into it')
    if len(data) > _MAX_PASSWORD or not _is_plain(data):
        raise AgentError(
            f'The password file "{path}" is not a password in UTF-8 of at most {_MAX_PASSWORD} bytes, '
            "without a byte order mark: save it as plain UTF-8, as printf does"
        )
    return password


def _is_plain(data: bytes) -> bool:
    """Return True for text in UTF-8 without a byte order mark and NUL, as every reader takes it."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return not text.startswith("\ufeff") and "\0" not in text
