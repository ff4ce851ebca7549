"""What a TLS client trusts: a bundle of certificates, handed to OpenSSL one by one."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from issuer.x509.bundle import certificate_blocks, certificate_der, some, which
from issuer.x509.errors import InvalidCertificate

MAX_CA_BUNDLE_BYTES: Final = 1024 * 1024
"""Longest bundle: the public roots of a whole operating system are about 250 KiB."""
_MAX_CERTIFICATES: Final = 2000


@dataclass(frozen=True, slots=True)
class Trusted:
    """The certificates that OpenSSL reads, as DER, one behind the other, and sentences about the others."""

    der: bytes = field(repr=False)
    left_out: tuple[str, ...]


@lru_cache(maxsize=64)  # read once for the connection, once for each status
def read_trusted(pem: bytes) -> Trusted:
    """The certificates of a CA bundle that OpenSSL reads. Raises InvalidCertificate where it reads none."""
    found: list[bytes] = []
    problems: list[str] = []
    for number, block in enumerate(certificate_blocks(pem, MAX_CA_BUNDLE_BYTES, _MAX_CERTIFICATES), start=1):
        try:
            found.append(_checked(certificate_der(block)))
        except InvalidCertificate as error:
            problems.append(f"{which(block, number)}: {error}")
    if not found:
        raise InvalidCertificate(some(problems) or "no certificate is in the PEM text")
    return Trusted(b"".join(found), tuple(problems))


def readable(certificates: Iterable[bytes]) -> bytes:
    """Those of the certificates (DER) that OpenSSL reads, one behind the other."""
    return b"".join(one for one in certificates if _problem(one) is None)


def _checked(der: bytes) -> bytes:
    problem = _problem(der)
    if problem is not None:
        raise InvalidCertificate(problem)
    return der


def _problem(der: bytes) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Twice: what is invalid beyond its syntax shows only when it is compared with one of the same name,
        # and would then keep that one out.
        context.load_verify_locations(cadata=der)
        context.load_verify_locations(cadata=der)
    except ssl.SSLError as error:
        return f"OpenSSL can't read it ({(error.reason or 'no reason given').replace('_', ' ').lower()})"
    except ValueError:
        return "OpenSSL can't read it"
    return None
