"""PEM text blocks (RFC 7468), read strictly, so that nothing hides between or behind them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

_BOUNDARY: Final = b"-----"
_LABEL: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "
_MAX_LABEL: Final = 64
_BODY: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n \t"
_DAMAGED: Final = "a PEM block is damaged (BEGIN or END without its partner, or stray characters)"
_WHITESPACE: Final = b" \t\r\n"
_LINE: Final = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_JOINED: Final = b"----------BEGIN "
_SEPARATED: Final = b"-----\n-----BEGIN "


class Block(NamedTuple):
    """A PEM block: its label, and its bytes or the problem that keeps them from being read."""

    label: str
    der: bytes
    problem: str = ""


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
    while (start := data.find(_BOUNDARY, position)) >= 0:
        label, body, position = _block(data, start)
        if len(found) == limit:
            raise ValueError(f"there are more than {limit} PEM blocks")
        found.append((label, _decode(body)))
    return Blocks(tuple(found), trailing=bool(data[position:].strip(_WHITESPACE)))


def scan_blocks(data: bytes, limit: int) -> tuple[Block, ...]:
    """The blocks of a PEM text made by hand, at most `limit`: one that is damaged doesn't end the search.

    Private keys are told by their label alone. Raises ValueError for too many. The caller bounds the length.
    """
    found: list[Block] = []
    label, body = "", list[bytes]()
    # A file without a line end at its end, and another behind it.
    for line in data.removeprefix(_BYTE_ORDER_MARK).replace(_JOINED, _SEPARATED).splitlines():
        match = _LINE.fullmatch(line.strip(_WHITESPACE))
        if match is None:
            if label:
                body.append(line)
            continue
        if len(found) == limit:
            raise ValueError(f"there are more than {limit} PEM blocks")
        word, name = match[1], match[2].decode("ascii")
        if label and (word == b"BEGIN" or name != label):
            found.append(Block(label, b"", "its PEM block has no END line"))
        elif word == b"END":
            alone = Block(name, b"", "its PEM block has no BEGIN line")
            found.append(_scanned(name, body) if label else alone)
        label, body = name if word == b"BEGIN" else "", []
    if label:
        found.append(Block(label, b"", "its PEM block has no END line"))
    return tuple(found)


def _scanned(label: str, body: list[bytes]) -> Block:
    if label.endswith("PRIVATE KEY"):
        return Block(label, b"")
    try:
        return Block(label, _decode(b"".join(body)))
    except ValueError as error:
        return Block(label, b"", str(error))


def write_pem(label: str, der: bytes) -> str:
    """`der` as one PEM block, lines of 64, with a line end after it."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _block(data: bytes, start: int) -> tuple[str, bytes, int]:
    """Return label and text of the block that begins at `start`, and the start of what follows it.

    By hand, so that each octet is looked at once, whatever comes in. Raises ValueError.
    """
    label, after = _boundary(data, start, b"BEGIN ")
    end = data.find(_BOUNDARY, after)
    if data[after - 1 : after] != b"\n" or end < 0 or data[after:end].translate(None, _BODY):
        raise ValueError(_DAMAGED)
    again, following = _boundary(data, end, b"END ")
    if again != label:
        raise ValueError(_DAMAGED)
    return label.decode("ascii"), data[after:end], following


def _boundary(data: bytes, start: int, word: bytes) -> tuple[bytes, int]:
    """The label of the boundary line at `start`, and where the next line starts. Raises ValueError."""
    first = start + len(_BOUNDARY) + len(word)
    end = data.find(_BOUNDARY, first, first + _MAX_LABEL + len(_BOUNDARY))
    label = data[first:end] if end >= 0 else b""
    at_line_start = start == 0 or data[start - 1 : start] == b"\n"
    if not (at_line_start and data.startswith(_BOUNDARY + word, start) and label):
        raise ValueError(_DAMAGED)
    line = end + len(_BOUNDARY)
    newline = data.find(b"\n", line)
    rest = data[line:] if newline < 0 else data[line:newline].removesuffix(b"\r")
    if label.translate(None, _LABEL) or rest.strip(b" \t"):
        raise ValueError(_DAMAGED)
    return label, len(data) if newline < 0 else newline + 1


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(body.translate(None, _WHITESPACE), validate=True)
    except binascii.Error as error:
        raise ValueError("the text inside a PEM block is not base64") from error
