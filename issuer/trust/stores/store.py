"""What every trust store does, and the names of what is ours in one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.roots import TrustRoot
from issuer.x509.encoding.pem import scan_blocks

MAX_STORE_CERTIFICATES: Final = 5000
"""Most certificates that are read of one store: a system has some 150, a company's own some more."""


class TrustStore(Protocol):
    """One trust store. Each call raises StoreFailed, with what the store's own program said."""

    @property
    def name(self) -> str:
        """The store for people: its kind and place."""

    def check(self) -> None:
        """Raise StoreNotUsable if the store can't be changed. Nothing is written."""

    def installed(self) -> tuple[TrustRoot, ...]:
        """Return the roots in it that this command put there."""

    def trusts(self, root: TrustRoot) -> bool:
        """Return True if consumers of the store accept the root, whoever put it there."""

    def add(self, root: TrustRoot) -> None:
        """Put a root into the store that isn't there."""

    def remove(self, root: TrustRoot) -> None:
        """Take away a root that this command put there; another one is left."""


def name_pattern(before: str, after: str = "") -> re.Pattern[str]:
    """Return a pattern of our names in a store; its group is the SHA-256."""
    return re.compile(f"{re.escape(before)}([0-9a-f]{{64}}){re.escape(after)}")


def ders_of(pem: bytes) -> tuple[bytes, ...]:
    """Return the certificates in PEM, as DER, as far as they can be read."""
    try:
        blocks = scan_blocks(pem, MAX_STORE_CERTIFICATES)
    except ValueError as error:
        raise StoreFailed(f"the store can't be read: {error}") from error
    return tuple(one.der for one in blocks if one.label.endswith("CERTIFICATE") and one.der)


def roots_of(pem: bytes) -> Iterable[TrustRoot]:
    """Yield the certificates in PEM that the library reads; others can't be ours."""
    for der in ders_of(pem):
        with suppress(ValueError):
            yield TrustRoot(x509.load_der_x509_certificate(der))


def holds(pem: bytes, root: TrustRoot) -> bool:
    """Return True if the certificate is among those in PEM."""
    return root.certificate.public_bytes(Encoding.DER) in ders_of(pem)


def check_folder(folder: Path) -> None:
    """Raise StoreNotUsable unless files can be made in a folder."""
    if not folder.is_dir():
        raise StoreNotUsable(f"{folder} is not there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreNotUsable(f"{folder} may not be written by this user: run this command as root")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file. Raises StoreFailed."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreFailed(f"{path} can't be read: {error.strerror}") from error


def replace_file(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Write a file as a whole and flush it to the disk. Raises StoreFailed; the old one stays then.

    `owner` are the numbers of user and group; by default this process's.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            if owner not in (None, (os.geteuid(), os.getegid())):
                os.fchown(handle, *owner)
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise StoreFailed(f"{path} can't be written: {error.strerror}") from error
