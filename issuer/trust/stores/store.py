"""What every trust store does, and the names of what is ours in one."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.roots import TrustRoot
from issuer.x509.encoding.pem import scan_blocks
from issuer.x509.errors import LIBRARY_ERRORS

MAX_STORE_CERTIFICATES: Final = 5000
"""Most certificates that are read of one store: a system has some 150, a company's own some more."""

LOCK_SECONDS: Final = 120
"""For another run of this command on one store: a program of the system may take as long."""
_LOOK_AGAIN: Final = 0.05


class TrustStore(Protocol):
    """One trust store. Each call raises StoreFailed, with what the store's own program said."""

    @property
    def name(self) -> str:
        """The store for people: its kind and place."""

    def check(self) -> None:
        """Raise StoreNotUsable if the store can't be changed. Nothing is written."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other runs of this command from changing the store meanwhile."""

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
        with suppress(*LIBRARY_ERRORS):
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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, and leave no file for it. Raises StoreFailed if another process holds it for
    long.

    A store is read, changed and looked at again, so two runs at once would undo each other's roots.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreFailed(f"{folder} can't be read: {error.strerror}") from error
    try:
        _wait_for(handle, folder)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, folder: Path) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise StoreFailed(
                    f"another process has held the lock of {folder} for {LOCK_SECONDS} s (lslocks names it); "
                    "run the same again once it has ended"
                ) from error
            time.sleep(_LOOK_AGAIN)
        except OSError:  # NFS locks no folders
            return
        else:
            return


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
