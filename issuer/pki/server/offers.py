"""Fields that a server takes at a path, with their types, from the OpenAPI document in the help of the path.

Pure. The types are those that Vault's own framework names (`sdk/framework`, FieldType), read as loosely as it
reads them: text may stand for a number, a list or a truth value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.pki.file.durations import seconds
from issuer.text import TRUTHS

_NOT_FIELDS: Final = frozenset({"backend"})
"""Names that OpenBao lists beside the fields and takes from the URL."""


def offered_fields(answer: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the types of the fields that a write takes by name, from the answer to `GET PATH?help=1`; none
    if it doesn't tell. A type is "" where the document has none.

    Source: https://openbao.org/api-docs/system/internal-specs-openapi/
    """
    document = _mapping(answer or {}, "openapi")
    schemas = _mapping(_mapping(document, "components"), "schemas")
    types: dict[str, str] = {}
    for path in _mapping(document, "paths").values():
        if not isinstance(path, Mapping):
            continue
        write = _mapping(path, "post") or _mapping(path, "put")
        schema: Mapping[str, Any] = write
        for key in ("requestBody", "content", "application/json", "schema"):
            schema = _mapping(schema, key)
        named = str(schema.get("$ref", "")).rpartition("/")[2]
        properties = _mapping(_mapping(schemas, named) or schema, "properties")
        types |= {name: str(_mapping(properties, name).get("type", "")) for name in properties}
    return {name: one for name, one in types.items() if name not in _NOT_FIELDS}


def type_of_default(value: object) -> str:
    """Return the type of a field by Vault's own value of it, "" where that doesn't tell.

    Text doesn't: Vault gives lists and lifetimes back as text, too.
    """
    for kind, name in ((bool, "boolean"), (int, "integer"), ((list, tuple), "array")):
        if isinstance(value, kind):
            return name
    return ""


def mismatch(value: object, kind: str) -> str:
    """Return in words what a field of a type must be, "" if Vault can read `value` as that."""
    is_list, is_map = isinstance(value, (list, tuple)), isinstance(value, Mapping)
    if kind == "string" and (is_list or is_map):
        return "text"
    if kind == "array" and is_map:
        return "a list"
    if kind == "boolean" and (is_list or is_map or (isinstance(value, str) and value not in TRUTHS)):
        return "true or false"
    if kind == "integer" and (is_list or is_map or (isinstance(value, str) and not _is_number(value))):
        return "a number, or a lifetime such as 720h"
    return ""


def _is_number(text: str) -> bool:
    try:
        seconds(text)
    except ValueError:
        return text == ""
    return True


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}
