"""The trust of a TLS client: a bundle of certificates, handed to OpenSSL one by one."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from issuer.x509.chains.bundle import certificate_blocks, certificate_der, some, which
from issuer.x509.errors import InvalidCertificate

MAX_CA_BUNDLE_BYTES: Final = 1024 * 1024
"""The most bytes of a bundle: the public roots of a whole operating system are about 250 KiB."""
_MAX_CERTIFICATES: Final = 500
"""The most certificates of a bundle: some 150 are public. Nothing else runs while they are read."""
_MAX_PROBLEMS: Final = 50
"""The most certificates that can't be read: each takes about a millisecond."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The certificates that OpenSSL reads, as DER, one behind the other, and sentences about the others."""

    der: bytes = field(repr=False)
    left_out: tuple[str, ...]


@lru_cache(maxsize=2)  # for the connection, then for the status's warnings; a bundle may be large
def read_trusted(pem: bytes) -> Trusted:
    """Return the certificates of a CA bundle that OpenSSL reads.

    Raises InvalidCertificate if it reads none, or too many are unreadable.
    """
    reader, found, problems = _Reader(), list[bytes](), list[str]()
    blocks = certificate_blocks(pem, MAX_CA_BUNDLE_BYTES, _MAX_CERTIFICATES)
    for number, block in enumerate(blocks, start=1):
        try:
            found.append(reader.read(certificate_der(block)))
        except InvalidCertificate as error:
            problems.append(f"{which(block, number)}: {error}")
            if len(problems) > _MAX_PROBLEMS:
                raise InvalidCertificate(
                    f"more than {_MAX_PROBLEMS} of it can't be read: {some(problems)}"
                ) from error
    if not found:
        raise InvalidCertificate(some(problems))
    return Trusted(b"".join(found), tuple(problems))


def readable(certificates: Iterable[bytes]) -> bytes:
    """Return those of the certificates (DER) that OpenSSL reads, one behind the other."""
    reader, found = _Reader(), list[bytes]()
    for one in certificates:
        with suppress(InvalidCertificate):
            found.append(reader.read(one))
    return b"".join(found)


class _Reader:
    """Gives certificates to OpenSSL, to see whether it accepts them."""

    def __init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def read(self, der: bytes) -> bytes:
        """Return the certificate. Raises InvalidCertificate."""
        try:
            # Twice: what is invalid beyond its syntax shows only when it is compared with one of the same
            # name, and would then keep that one out.
            self._context.load_verify_locations(cadata=der)
            self._context.load_verify_locations(cadata=der)
        except ssl.SSLError as error:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the other one may hold it now
            reason = (error.reason or "no reason given").replace("_", " ").lower()
            raise InvalidCertificate(f"OpenSSL can't read it ({reason})") from error
        except ValueError as error:
            raise InvalidCertificate("OpenSSL can't read it") from error
        return der
