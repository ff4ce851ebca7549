"""PEM as text blocks (RFC 7468): found strictly, so that nothing hides between or behind them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

# Possessive repeats keep the search linear, whatever comes in.
_BLOCK: Final = re.compile(
    rb"^-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*+\r?\n"
    rb"([A-Za-z0-9+/=\r\n \t]*+)"
    rb"^-----END \1-----[ \t]*+(?:\r?\n|\Z)",
    re.MULTILINE,
)
_BOUNDARY: Final = b"-----"
_DAMAGED: Final = "a PEM block is damaged (BEGIN or END without its partner, or stray characters)"
_WHITESPACE: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a PEM text, in order, as (label, DER), and whether anything else follows the last one."""

    found: tuple[tuple[str, bytes], ...]
    trailing: bool


def read_blocks(data: bytes, limit: int) -> Blocks:
    """All PEM blocks of `data`, at most `limit`; text before and between blocks is explanation and is
    skipped.

    Raises ValueError for a damaged block or too many. The caller bounds the length of `data`.
    """
    found: list[tuple[str, bytes]] = []
    position = 0
    for match in _BLOCK.finditer(data):
        if _BOUNDARY in data[position : match.start()]:
            raise ValueError(_DAMAGED)
        if len(found) == limit:
            raise ValueError(f"there are more than {limit} PEM blocks")
        found.append((match[1].decode("ascii"), _decode(match[2])))
        position = match.end()
    rest = data[position:]
    if _BOUNDARY in rest:
        raise ValueError(_DAMAGED)
    return Blocks(tuple(found), trailing=bool(rest.strip(_WHITESPACE)))


def write_pem(label: str, der: bytes) -> str:
    """`der` as one PEM block, lines of 64, with a line end after it."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(body.translate(None, _WHITESPACE), validate=True)
    except binascii.Error as error:
        raise ValueError("the text inside a PEM block is not base64") from error
