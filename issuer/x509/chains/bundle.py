"""Bundles of CA certificates, read so that an odd one does not spoil the others.

A CA's certificate is passed on as it is: one that neither the library nor `raw` reads is left out, with a
sentence that says which it is, what can't be read and why. A leaf is read strictly (`read_leaf`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from issuer.text import ascii_text
from issuer.x509.certificates import (
    MAX_BUNDLE_BYTES,
    MAX_CERTIFICATES,
    Certificate,
    decode,
    decode_leaf,
)
from issuer.x509.encoding.pem import Block, read_blocks, scan_blocks
from issuer.x509.encoding.raw import read_subject
from issuer.x509.errors import InvalidCertificate
from issuer.x509.name_text import name_text

_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})
_BUNDLES: Final = 16
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Bundle:
    """The certificates of a PEM text in its order. `left_out` are sentences about what can't be read."""

    certificates: tuple[Certificate, ...]
    left_out: tuple[str, ...] = ()

    def explains(self, problem: object) -> str:
        """Return `problem` as text, with what was left out of the bundle: that may be its cause."""
        return f"{problem}; left out: {some(self.left_out)}" if self.left_out else str(problem)


# The same CAs come with every leaf.
@lru_cache(maxsize=_BUNDLES)
def read_bundle(pem: str | bytes, *, needed: int = 0) -> Bundle:
    """Every certificate in `pem` that can be read.

    Raises InvalidCertificate where none can, where one of the first `needed` can't, and for bundles beyond
    the bounds of `certificates`.
    """
    blocks = certificate_blocks(pem, MAX_BUNDLE_BYTES, MAX_CERTIFICATES)
    found: list[Certificate] = []
    problems: list[str] = []
    for number, block in enumerate(blocks, start=1):
        try:
            found.append(_read(block))
        except InvalidCertificate as error:
            problem = f"{which(block, number)}: {error}"
            if number <= needed:
                raise InvalidCertificate(problem) from error
            problems.append(problem)
    if not found:
        raise InvalidCertificate(some(problems))
    return Bundle(tuple(found), tuple(problems))


def read_leaf(pem: str | bytes) -> Certificate:
    """Return the first certificate in `pem`, decoded strictly.

    Raises InvalidCertificate.
    """
    blocks = certificate_blocks(pem, MAX_BUNDLE_BYTES, MAX_CERTIFICATES)
    try:
        return decode_leaf(certificate_der(blocks[0]))
    except InvalidCertificate as error:
        raise InvalidCertificate(f"{which(blocks[0], 1)}: {error}") from error


def read_delivered(pem: str | bytes) -> Bundle:
    """A leaf, decoded strictly, and the CAs behind it. Raises InvalidCertificate."""
    found = read_bundle(pem, needed=1)
    return Bundle((read_leaf(pem), *found.certificates[1:]), found.left_out)


def certificate_blocks(pem: str | bytes, size: int, limit: int) -> tuple[Block, ...]:
    """Return the PEM blocks of a text of at most `size` bytes, at least one.

    Raises InvalidCertificate for none, and for more than `limit`.
    """
    blocks = _blocks(pem, size, limit)
    if not blocks:
        raise InvalidCertificate("no certificate is in the PEM text")
    return blocks


def _blocks(pem: str | bytes, size: int, limit: int) -> tuple[Block, ...]:
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    if len(data) > size:
        raise InvalidCertificate(f"the certificates are larger than {size} bytes")
    try:
        return tuple(Block(label, der) for label, der in read_blocks(data, limit).found)
    except ValueError:
        pass  # it is damaged somewhere: what isn't is found the slow way
    try:
        return scan_blocks(data, limit)
    except ValueError as error:
        raise InvalidCertificate(f"the certificates are not PEM: {error}") from error


def certificate_der(block: Block) -> bytes:
    """The bytes of the certificate in a PEM block. Raises InvalidCertificate where there is none."""
    if block.label.endswith("PRIVATE KEY"):
        raise InvalidCertificate(
            "a private key doesn't belong here: take it out, and replace the key wherever it is used"
        )
    if block.label == "TRUSTED CERTIFICATE":
        raise InvalidCertificate("it is in OpenSSL's own form; `openssl x509` writes it as a CERTIFICATE")
    if block.label not in _LABELS:
        raise InvalidCertificate(f"it is a {block.label}, not a CERTIFICATE")
    if block.problem:
        raise InvalidCertificate(block.problem)
    return block.der


def which(block: Block, number: int) -> str:
    """Return words for one certificate of a bundle: its position, and subject and fingerprint where they are
    known."""
    known = []
    if block.der and block.label in _LABELS:
        subject = ascii_text(name_text(read_subject(block.der)), 200)
        known = [*([subject] if subject else []), f"SHA-256 {hashlib.sha256(block.der).hexdigest()}"]
    return f"certificate {number}" + (f" ({', '.join(known)})" if known else "")


def some(problems: Sequence[str]) -> str:
    """The first few sentences as one text."""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more


def _read(block: Block) -> Certificate:
    return decode(certificate_der(block))
