"""Fields of a YAML object, with their type checked and their path told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from issuer.manifests.errors import BadInput


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping of a document. `source` is the file, `path` where the mapping stands, such as `spec`.

    An absent or null field gives the empty value; one of another type raises BadInput.
    """

    source: str
    path: str
    data: Mapping[str, Any] = field(repr=False)

    @property
    def where(self) -> str:
        """File and path, for messages."""
        return f"{self.source}: {self.path}"

    def bad(self, key: str, message: str) -> BadInput:
        """The error that says what is wrong with a field."""
        return BadInput(f"{self.where}.{key} {message}")

    def text(self, key: str) -> str:
        """A text, or ''."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.bad(key, "must be text; put it in quotes")
        return value or ""

    def required(self, key: str) -> str:
        """A text that must be there."""
        text = self.text(key)
        if not text:
            raise self.bad(key, "is missing")
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, possibly empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.bad(key, "must be a list of texts")
        return tuple(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.bad(key, "must be true or false")
        return default if value is None else value

    def number(self, key: str) -> int:
        """A whole number, or 0."""
        value = self.data.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.bad(key, "must be a whole number")
        return value or 0

    def inner(self, key: str) -> Fields:
        """A mapping below, possibly empty."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.bad(key, "must be an object")
        return Fields(self.source, f"{self.path}.{key}", value or {})

    def objects(self, key: str) -> tuple[Fields, ...]:
        """A list of mappings, possibly empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.bad(key, "must be a list of objects")
        return tuple(Fields(self.source, f"{self.path}.{key}[{i}]", one) for i, one in enumerate(value))
