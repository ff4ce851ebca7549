"""Fields that a server takes at a path, from the OpenAPI document in the help of the path. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NOT_FIELDS: Final = frozenset({"backend"})
"""Names that OpenBao lists beside the fields and takes from the URL."""


def offered_fields(answer: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of the fields that a write takes, from the answer to `GET PATH?help=1`; none if it
    doesn't tell.

    Source: https://openbao.org/api-docs/system/internal-specs-openapi/
    """
    document = _mapping(answer or {}, "openapi")
    schemas = _mapping(_mapping(document, "components"), "schemas")
    names: set[str] = set()
    for path in _mapping(document, "paths").values():
        if not isinstance(path, Mapping):
            continue
        write = _mapping(path, "post") or _mapping(path, "put")
        schema: Mapping[str, Any] = write
        for key in ("requestBody", "content", "application/json", "schema"):
            schema = _mapping(schema, key)
        named = str(schema.get("$ref", "")).rpartition("/")[2]
        names |= set(_mapping(_mapping(schemas, named) or schema, "properties"))
    return frozenset(names - _NOT_FIELDS)


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}
