"""Takes secrets out of log events: by the names of fields, and by what looks like a credential in text.

Pure. It is the second line of defence: code logs no secret on purpose, but other people's errors may hold
one, at any depth of a structure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

REDACTED: Final = "[redacted]"
MAX_TEXT: Final = 16 * 1024
"""Characters of one text that are logged; a traceback has some 5,000."""
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 1_000
"""Values in one field, at all its depths together."""

_CUT: Final = "…"
_PLAIN: Final = (int, float, type(None))  # bool is an int

# Field names whose value is never shown, whatever it is; hyphens, underscores and case don't matter.
_SECRET_NAME: Final = re.compile(
    r"(.*[_-])?(token|secret|secret[_-]?id|password|passwd|jwt|private[_-]?key|authorization|cookie)"
    r"|.*[a-z](Token|Secret|SecretId|Password|Jwt|JWT|PrivateKey|Authorization)",
    re.DOTALL,
)
_LONGEST_NAME: Final = 128

# Vault and OpenBao tokens (hvs. service, hvb. batch, hvr. recovery, and the older s./b./r. forms), JSON web
# tokens, and PEM private keys.
_SECRET_VALUES: Final = re.compile(
    r"\bhv[sbr]\.[A-Za-z0-9_-]{10,}"
    r"|\b[sbr]\.[A-Za-z0-9]{24,}\b"
    # A token that was cut, too; and what must follow would be looked for from each "eyJ" to the end.
    r"|\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
# What Python's own texts make of a structure ('token': 'abc'), and of headers.
_SECRET_PAIRS: Final = re.compile(
    r"""(["'][A-Za-z_-]{0,64}(?:token|secret|secret_?id|password|jwt|private_?key|authorization)["']"""
    r"""[ ]?[:,=][ ]?b?)(?:"[^"\n]*"|'[^'\n]*')"""
    r"""|(\b(?:X-Vault-Token|Authorization)[ ]?[:=][ ]?)[^\n"',]+""",
    re.IGNORECASE,
)
_PAIR_HINT: Final = re.compile("oken|ecret|assword|jwt|JWT|rivate|uthorization|TOKEN|SECRET|PASSWORD")


def redact(text: str) -> str:
    """Return `text` with everything that looks like a credential replaced, cut to MAX_TEXT characters."""
    # Cut twice: what is looked through is bounded, and a credential across the second cut is gone before it.
    found = _SECRET_VALUES.sub(REDACTED, text[: 2 * MAX_TEXT])
    if _PAIR_HINT.search(found):  # saves most lines the slower look
        found = _SECRET_PAIRS.sub(lambda pair: f"{pair[1] or pair[2]}{REDACTED}", found)
    return found if len(found) <= MAX_TEXT else found[: MAX_TEXT - 1] + _CUT


def redact_field(name: str, value: object) -> Any:
    """Return a field's value fit for a log: plain data, without secrets at any depth, and bounded."""
    if is_secret(name):
        return REDACTED
    if isinstance(value, str):  # nearly every field is
        return redact(value)
    return value if isinstance(value, _PLAIN) else _Walk().value(value, 0)


def is_secret(name: str) -> bool:
    """Return True if the value of a field of that name is never shown."""
    return len(name) <= _LONGEST_NAME and _is_secret(name)


@lru_cache(maxsize=512)  # names are mostly the code's, and the same in every line
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None or _SECRET_NAME.fullmatch(name.lower()) is not None


class _Walk:
    """The walk through one field's value, with a bound on the values looked at."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def value(self, value: object, depth: int) -> Any:
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return redact(bytes(value[: 2 * MAX_TEXT]).decode("utf-8", "replace"))
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            if depth >= MAX_DEPTH:
                return _CUT
            return self._mapping(value, depth) if isinstance(value, Mapping) else self._items(value, depth)
        if isinstance(value, BaseException) and not _is_told_by_text(value):
            return redact(f"{type(value).__name__}{self._items(value.args, depth)}")
        return redact(_text(value))

    def _mapping(self, values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            if self._spent():
                found[_CUT] = _CUT
                break
            name = str(self.value(key, MAX_DEPTH))
            found[name] = REDACTED if is_secret(name) else self.value(value, depth + 1)
        return found

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        if isinstance(values, (list, tuple)) and len(values) == 2 and _names_a_secret(values[0]):
            return [self.value(values[0], depth + 1), REDACTED]  # a header, or an item of a mapping
        found: list[Any] = []
        for value in values:
            if self._spent():
                found.append(_CUT)
                break
            found.append(self.value(value, depth + 1))
        return found

    def _spent(self) -> bool:
        self._left -= 1
        return self._left < 0


def _names_a_secret(name: object) -> bool:
    if isinstance(name, bytes):
        name = name[: _LONGEST_NAME + 1].decode("utf-8", "replace")
    return isinstance(name, str) and is_secret(name)


def _is_told_by_text(error: BaseException) -> bool:
    """Return True if its arguments are text and numbers, so that its own text hides no structure."""
    return all(isinstance(one, (str, *_PLAIN)) for one in error.args)


def _text(value: object) -> str:
    """Return the text of an exception (with its arguments), a time or a key, as it writes itself."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a log line must not cost the work it tells about
        return f"{type(value).__name__} that can't be shown ({type(error).__name__})"
