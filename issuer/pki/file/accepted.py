"""Values that Vault and OpenBao accept: sizes of keys, dates of roles, texts of policies. Pure.

Only what either surely refuses is told; what isn't known here is left to the server.
Sources: `ValidateKeyTypeLength` in sdk/helper/certutil/helpers.go of github.com/hashicorp/vault (0.25.1), and
the scanner of github.com/hashicorp/hcl, version 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

_SIZES: Final[Mapping[str, tuple[int, ...]]] = {
    "rsa": (2048, 3072, 4096, 8192),
    "ec": (224, 256, 384, 521),
}
_ANY_SIZE: Final = ("ed25519", "any")
_TYPES: Final = (*_SIZES, *_ANY_SIZE)
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_UNREAD: Final = ("<<", "${")
"""Here-documents and interpolations, in which a brace or a quotation mark may be text."""


def size_problem(key_type: str, bits: int) -> str:
    """Return a sentence for a size in bits that no server has for a type of key, else nothing."""
    sizes = _SIZES.get(key_type, ())
    if not bits or not sizes or bits in sizes:
        return ""
    *others, last = (str(one) for one in sizes)
    return f"a key of type {key_type} has {', '.join(others)} or {last} bits, or 0 for the usual size"


def role_key_problem(role: Mapping[str, Any]) -> tuple[str, str]:
    """Return the field of a role with a type or size of key that no server has, and a sentence."""
    key_type, bits = role.get("key_type", "rsa"), str(role.get("key_bits", 0))
    if not isinstance(key_type, str):
        return "", ""  # of another type: told with the server's own fields
    if key_type not in _TYPES:
        return "key_type", f"is no type of key; write one of {', '.join(_TYPES)}"
    if not bits.removeprefix("-").isdecimal():
        return "", ""
    return "key_bits", size_problem(key_type, int(bits))


def date_of(value: object) -> datetime | None:
    """Return a date of a role, as RFC 3339 has it; None where there is none, or it can't be read."""
    if not isinstance(value, str) or _DATE.fullmatch(value) is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def date_problems(role: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each field of a role whose date a server can't read, and a sentence."""
    for field in ("not_before", "not_after"):
        value = role.get(field)
        if isinstance(value, str) and value and date_of(value) is None:
            yield field, "is no date that Vault reads; write for example 2030-01-31T00:00:00Z"


def policy_problem(text: str) -> str:
    """Return a sentence for a text that is surely no policy: empty, or with an open brace or quotation."""
    if not text.strip():
        return "is empty; write the rules, or remove the policy"
    if any(one in text for one in _UNREAD):
        return ""
    return _Rules(text).problem()


class _Rules:
    """Reads a policy's text up to the first brace or quotation mark that has no partner."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[tuple[str, int]] = []

    def problem(self) -> str:
        """Return a sentence about the first one, else nothing."""
        while self._at < len(self._text):
            sentence = self._step(self._text[self._at])
            if sentence:
                return sentence
            self._at += 1
        if self._open:
            sign, begun = self._open[-1]
            return f"is no policy: {sign} in line {begun} of the text is never closed; add {_CLOSING[sign]}"
        return ""

    def _step(self, sign: str) -> str:
        if sign == '"':
            return self._quotation()
        if sign == "#" or self._text.startswith("//", self._at):
            self._skip_to("\n")
        elif self._text.startswith("/*", self._at):
            self._skip_to("*/")
        elif sign in _CLOSING:
            self._open.append((sign, self._line()))
        elif sign in _CLOSING.values():
            if not self._open or _CLOSING[self._open[-1][0]] != sign:
                return f"is no policy: {sign} in line {self._line()} of the text closes nothing; remove it"
            self._open.pop()
        return ""

    def _quotation(self) -> str:
        begun = self._line()
        self._at += 1
        while self._at < len(self._text) and self._text[self._at] not in '"\n':
            self._at += 2 if self._text[self._at] == "\\" else 1
        if self._text[self._at : self._at + 1] == '"':
            return ""
        return f"is no policy: a quotation in line {begun} of the text doesn't end there; close it"

    def _skip_to(self, end: str) -> None:
        found = self._text.find(end, self._at)
        self._at = len(self._text) if found < 0 else found + len(end) - 1

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1
