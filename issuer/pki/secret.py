"""Text that must not be shown: tokens, keys, passphrases and secret-ids."""

from __future__ import annotations

from collections.abc import Mapping
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


def revealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body as it is sent, with the text of its secrets."""
    return {name: value.reveal() if isinstance(value, SecretText) else value for name, value in body.items()}
