"""YAML files of one mapping as checked models: each problem with its file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from issuer.manifests.errors import BadInput
from issuer.manifests.positions import ValuePath

M = TypeVar("M", bound=BaseModel)

_PLAIN: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a known key; check its spelling and its place",
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}
_SHOWN: Final = 20
"""The most problems that are shown of one file."""


class StrictModel(BaseModel):
    """A part of a file: camelCase keys, unknown ones refused, never changed, not shown in errors."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=False,
        hide_input_in_errors=True,
    )


@dataclass(frozen=True, slots=True)
class TextLike:
    """An annotation of text that must match the whole of `pattern`; `words` say what it must be.

    The pattern is in the schema, for editors, and in no message.
    """

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return pydantic's validator."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        """Return the schema of the text."""
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value) is None:
            raise ValueError(self.words)
        return value


def validated(
    model: type[M], data: Any, place: Callable[[ValuePath], str], words: Mapping[str, str] = {}
) -> M:
    """Return `data` as `model`; raises BadInput with every problem, each at its `place` (`file:line`).

    `words` are messages for further types of pydantic's errors.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            path = tuple(part for part in problem["loc"] if part != "[key]")
            known = {**_PLAIN, **words}
            message = known.get(problem["type"], problem["msg"].removeprefix("Value error, "))
            lines.append(f"{place(path)} {dotted(path)}: {message}")
        raise BadInput("\n".join(lines[:_SHOWN])) from None


def dotted(path: ValuePath) -> str:
    """Return a path as people write it, `certificates.0.ttl`."""
    return ".".join(str(part) for part in path) or "the file"
