"""Ledger lines: JSON, each with the SHA-256 of the line before and a signature by the root's key.

The hashes show that a line was changed, put in or taken out; the signatures, that nobody without the key
wrote another chain. Neither shows that the last lines were cut off: see docs/offline-root.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import ValidationError

from issuer.root.certificates.keys import PrivateKey, PublicKey, has_signed, sign_bytes
from issuer.root.record.entries import MODELS, AnyData, EntryKind, InitData, certificate_in, kind_of
from issuer.text import parse_rfc3339, rfc3339

FIRST: Final = "0" * 64
"""`previous` of the first line."""
CONTEXT: Final = b"vault-issuer offline root ledger, version 1\x00"
"""Stands before the bytes that are signed: no certificate begins so, and none can be made of a signature."""
MAX_LEDGER: Final = 64 << 20
"""Bytes: a CA takes about 3 KB, a CRL of 1,000 CAs 60 KB."""
_KEYS: Final = frozenset({"number", "time", "kind", "data", "previous", "signature"})


class ChainFault(StrEnum):
    """Kinds of damage of a ledger."""

    CUT = "LedgerCut"
    EMPTY = "LedgerEmpty"
    UNREADABLE = "LedgerUnreadable"
    ORDER = "LedgerOrder"
    HASH = "LedgerHash"
    SIGNATURE = "LedgerSignature"


class LedgerDamaged(Exception):
    """A ledger that can't be trusted: what is wrong, and in which line (from 1)."""

    def __init__(self, fault: ChainFault, line: int, problem: str) -> None:
        super().__init__(f"line {line} {problem}" if line else problem)
        self.fault = fault
        self.line = line


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One line. `sha256` is that of the line, in hex, without its end."""

    number: int
    time: datetime
    data: AnyData = field(repr=False)
    previous: str
    sha256: str

    @property
    def kind(self) -> EntryKind:
        """Kind of act."""
        return kind_of(self.data)


def read_entries(content: bytes) -> tuple[LedgerEntry, ...]:
    """Return the entries of a ledger, its hashes and signatures verified. Raises LedgerDamaged."""
    if not content:
        raise LedgerDamaged(ChainFault.EMPTY, 0, "the ledger is empty")
    if not content.endswith(b"\n"):
        lines = content.count(b"\n") + 1
        raise LedgerDamaged(ChainFault.CUT, lines, "has no end: the ledger was cut there")
    return tuple(_entries(content[:-1].split(b"\n")))


def _entries(lines: Sequence[bytes]) -> Iterator[LedgerEntry]:
    previous, key = FIRST, None
    for number, line in enumerate(lines, 1):
        fields = _fields(line, number)
        entry = _entry(fields, line, number)
        if entry.number != number:
            problem = f"says that it is number {entry.number}: lines were taken out, put in or moved"
            raise LedgerDamaged(ChainFault.ORDER, number, problem)
        if entry.previous != previous:
            raise LedgerDamaged(ChainFault.HASH, number, "doesn't follow the line before: one was changed")
        if isinstance(entry.data, InitData) is not (number == 1):
            raise LedgerDamaged(ChainFault.ORDER, number, "is no fit first line, or a second one")
        if isinstance(entry.data, InitData):
            key = _key(entry.data)
        if key is None or not has_signed(key, _signature(fields, number), _signed(fields)):
            raise LedgerDamaged(ChainFault.SIGNATURE, number, "is not signed by the root: it was changed")
        previous = entry.sha256
        yield entry


def _key(data: InitData) -> PublicKey:
    try:
        key = certificate_in(data.root).public_key()
    except ValueError as error:
        raise LedgerDamaged(ChainFault.UNREADABLE, 1, "holds a root that can't be read") from error
    if not isinstance(key, PublicKey):
        raise LedgerDamaged(ChainFault.UNREADABLE, 1, "holds a root with an unknown kind of key")
    return key


def appended(
    content: bytes, entries: Sequence[LedgerEntry], new: Sequence[AnyData], now: datetime, key: PrivateKey
) -> bytes:
    """Return a ledger with new entries behind those that it has (`entries`, from `content`)."""
    previous = entries[-1].sha256 if entries else FIRST
    for number, data in enumerate(new, len(entries) + 1):
        fields = {
            "number": number,
            "time": rfc3339(now),
            "kind": kind_of(data).value,
            "data": data.model_dump(mode="json", by_alias=True, exclude_none=True),
            "previous": previous,
        }
        fields["signature"] = base64.b64encode(sign_bytes(key, _signed(fields))).decode("ascii")
        line = _canonical(fields)
        previous = hashlib.sha256(line).hexdigest()
        content += line + b"\n"
    return content


def _fields(line: bytes, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LedgerDamaged(ChainFault.UNREADABLE, number, "is not JSON") from error
    # The spelling is checked, too: two lines that read alike must not have two hashes.
    if not isinstance(fields, dict) or fields.keys() != _KEYS or _canonical(fields) != line:
        raise LedgerDamaged(ChainFault.UNREADABLE, number, "is not a line that this command wrote")
    return fields


def _entry(fields: dict[str, Any], line: bytes, number: int) -> LedgerEntry:
    try:
        data = MODELS[EntryKind(fields["kind"])].model_validate(fields["data"])
        time = parse_rfc3339(str(fields["time"]))
        if time.tzinfo is None or not isinstance(fields["number"], int):
            raise ValueError("no time or number")
    except (ValueError, ValidationError) as error:
        raise LedgerDamaged(ChainFault.UNREADABLE, number, "holds what no entry has") from error
    digest = hashlib.sha256(line).hexdigest()
    return LedgerEntry(fields["number"], time, data, str(fields["previous"]), digest)


def _signature(fields: dict[str, Any], number: int) -> bytes:
    try:
        return base64.b64decode(str(fields["signature"]), validate=True)
    except binascii.Error as error:
        raise LedgerDamaged(ChainFault.SIGNATURE, number, "has a signature that can't be read") from error


def _signed(fields: dict[str, Any]) -> bytes:
    return CONTEXT + _canonical({name: value for name, value in fields.items() if name != "signature"})


def _canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
