"""Text that must not be shown: tokens, keys, passphrases and secret-ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

HIDDEN: Final = "(secret)"


class SecretText:
    """Text that neither `repr`, `str`, formatting nor JSON shows; `reveal` gives it for one call."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not pickled")


def hidden(value: Any) -> Any:
    """Return a JSON value with each text and number in it, however deep, as a secret."""
    if isinstance(value, bool) or value is None or isinstance(value, SecretText):
        return value
    return _in_each(value, hidden) if _is_nested(value) else SecretText(str(value))


def plain(value: Any) -> Any:
    """Return a value with the text of the secrets in it, however deep."""
    if isinstance(value, SecretText):
        return value.reveal()
    return _in_each(value, plain) if _is_nested(value) else value


def masked(value: Any) -> Any:
    """Return a value as it is shown, with `HIDDEN` for the secrets in it, however deep."""
    if isinstance(value, SecretText):
        return HIDDEN
    return _in_each(value, masked) if _is_nested(value) else value


def revealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as it is sent, with the text of its secrets."""
    return {name: plain(value) for name, value in body.items()}


def _is_nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _in_each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: change(one) for name, one in value.items()}
    return [change(one) for one in value]
