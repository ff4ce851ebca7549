"""Fields of a YAML object, with their type checked and their path in every error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from issuer.manifests.errors import BadInput


@dataclass(frozen=True, slots=True)
class Fields:
    """Mapping in a document. `source` is the file, `path` its place in the object, such as `spec`.

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
        """Return an error about a field; `message` completes `FILE: PATH.KEY ...`."""
        return BadInput(f"{self.where}.{key} {message}")

    def text(self, key: str) -> str:
        """Return a text field, or ''."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.bad(key, "must be text; put it in quotes")
        return value or ""

    def required(self, key: str) -> str:
        """Return a text field. Raises BadInput if it is missing or empty."""
        text = self.text(key)
        if not text:
            raise self.bad(key, "is missing")
        return text

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, possibly empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.bad(key, "must be a list of texts")
        return tuple(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean field, or `default`."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.bad(key, "must be true or false")
        return default if value is None else value

    def number(self, key: str) -> int:
        """Return a whole number, or 0."""
        value = self.data.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.bad(key, "must be a whole number")
        return value or 0

    def inner(self, key: str) -> Fields:
        """Return the mapping in a field, possibly empty."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.bad(key, "must be an object")
        return Fields(self.source, f"{self.path}.{key}", value or {})

    def objects(self, key: str) -> tuple[Fields, ...]:
        """Return a list of mappings, possibly empty."""
        value = self.data.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.bad(key, "must be a list of objects")
        return tuple(Fields(self.source, f"{self.path}.{key}[{i}]", one) for i, one in enumerate(value))
