"""JSON schemas of `pki.yaml` and of its overlays, for editors.

Source: https://json-schema.org/draft/2020-12/json-schema-core
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.pki.file.model import PkiFile
from issuer.site import SITE

FILE: Final = "pki.schema.json"
"""Name of the schema of a file, in docs/reference, on the site and in a release."""
OVERLAY: Final = "pki-overlay.schema.json"
"""Name of the schema of a file that lies over another."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Final = r"\$\{"
_NAMED: Final = ("properties", "patternProperties", "$defs")
_LISTED: Final = ("allOf", "anyOf", "oneOf")
_NESTED: Final = ("items", "additionalProperties", "not")
_TOLD: Final = ("title", "description", "default")
_NULL: Final = {"type": "null"}
Schema = Mapping[str, Any]


def model_schema() -> dict[str, Any]:
    """Return the schema of the models as they are: that of a file whose variables are replaced."""
    return PkiFile.model_json_schema(by_alias=True)


def json_schema(*, overlay: bool) -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a file as it is written, `${VAR}` in keys and values included.

    In an overlay nothing is required, as the file below may have it, and null removes what is there.
    """
    written = _Overlay() if overlay else _Written()
    name = OVERLAY if overlay else FILE
    return {"$schema": _DIALECT, "$id": f"{SITE}/reference/{name}", **written.of(model_schema())}


class _Written:
    """Rewrites a schema of checked values into that of the text in which variables still stand."""

    def of(self, schema: Schema) -> dict[str, Any]:
        """Return a schema and all below it."""
        found = {key: self._below(key, value) for key, value in schema.items() if key != "title"}
        if "patternProperties" in found:
            found["additionalProperties"] = False
        if not _is_bounded(found):
            return found
        told: dict[str, Any] = {key: found.pop(key) for key in _TOLD if key in found}
        return {**told, "anyOf": [found, {"type": "string", "pattern": _VARIABLE}]}

    def _below(self, key: str, value: Any) -> Any:
        if key in _NAMED:
            return {self._name(key, name): self.member(key, one) for name, one in value.items()}
        if key in _LISTED:
            return [self.of(one) for one in value]
        return self.of(value) if key in _NESTED and isinstance(value, dict) else value

    def member(self, key: str, schema: Schema) -> dict[str, Any]:
        """Return the schema of one member of `properties`, `patternProperties` or `$defs`."""
        return self.of(schema)

    def _name(self, key: str, name: str) -> str:
        return f"{name}|{_VARIABLE}" if key == "patternProperties" else name


class _Overlay(_Written):
    def of(self, schema: Schema) -> dict[str, Any]:
        """Return a schema and all below it, without what a whole file must have."""
        if "properties" in schema:
            schema = {key: one for key, one in schema.items() if key not in ("required", *_LISTED)}
        return super().of(schema)

    def member(self, key: str, schema: Schema) -> dict[str, Any]:
        """Return the schema of a member, which null removes."""
        found = super().member(key, schema)
        if key == "$defs" or _NULL in found.get("anyOf", ()):
            return found
        told: dict[str, Any] = {name: found.pop(name) for name in _TOLD if name in found}
        return {**told, "anyOf": [found, _NULL]}


def _is_bounded(schema: Schema) -> bool:
    """Return True for a value whose type or text a variable that isn't replaced yet would not fit."""
    kind = schema.get("type")
    if kind == "string":
        return not schema.keys().isdisjoint(("pattern", "minLength", "maxLength", "enum"))
    return kind in ("integer", "boolean")
