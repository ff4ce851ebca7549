"""The base of all models of this API: naming, strictness, and rules for Python and the API server alike."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from issuer.duration import format_duration, parse_duration

_SHOWN_PROBLEMS: Final = 20
_PLAIN_MESSAGES: Final[dict[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field; check its spelling and its place",
    "model_type": "must be an object",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
}


M = TypeVar("M", bound="ApiModel")


class SpecError(ValueError):
    """A resource's spec can't be used. The message names every bad field and what to do about it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition over several fields, written twice: for the API server in CEL, and for Python.

    `holds` takes the model. `field` (a JSON name) is the place of the problem, if it is one field's. Tests on
    a real API server compare both sides.
    """

    cel: str
    holds: Callable[[Any], bool]
    message: str
    field: str | None = None

    def schema(self) -> dict[str, str]:
        """Return the rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | {"fieldPath": f".{self.field}"} if self.field else entry


class ApiModel(BaseModel):
    """A frozen value, camelCase outside and snake_case inside. Unknown fields are dropped unless refused."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        hide_input_in_errors=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    own_fields_first: ClassVar[bool] = False
    """True if the schema lists what the class declares itself before what it inherits."""

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = [rule for rule in self.rules if not rule.holds(self)]
        if broken:
            raise ValueError("; ".join(rule.message for rule in broken))
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.own_fields_first:
            schema["properties"] = _own_first(cls, schema["properties"])
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.schema() for rule in cls.rules]
        return schema


def _own_first(model: type[BaseModel], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with those first that the class declares, or a parent whose own come first."""
    declaring = [one for one in model.__mro__ if issubclass(one, ApiModel) and one.own_fields_first]
    declared = {name for one in declaring for name in vars(one).get("__annotations__", ())}
    own = {field.alias or name for name, field in model.model_fields.items() if name in declared}
    return dict(sorted(properties.items(), key=lambda item: item[0] not in own))


def parse_model(model: type[M], data: Mapping[str, Any], root: str, *, strict: bool) -> M:
    """Read `data` as a `model`. `root` is the path put before each field; `strict` refuses unknown fields.

    Raises SpecError, which names the fields; of their values it repeats at most a bad duration.
    """
    try:
        return model.model_validate(dict(data), extra="forbid" if strict else "ignore")
    except ValidationError as error:
        raise SpecError("\n".join(_problems(error, root))) from error


def _problems(error: ValidationError, root: str) -> Iterator[str]:
    found = error.errors(include_url=False, include_input=False)
    for problem in found[:_SHOWN_PROBLEMS]:
        path = ".".join([root, *(str(part)[:64] for part in problem["loc"])])
        message = _PLAIN_MESSAGES.get(problem["type"], problem["msg"])
        yield f"{path}: {message.removeprefix('Value error, ').removeprefix('Input ')}"
    if len(found) > _SHOWN_PROBLEMS:
        yield f"and {len(found) - _SHOWN_PROBLEMS} more"


def _none_if_empty(value: object) -> object:
    # cert-manager's Go types can't tell "" from absent, and its clients write either.
    return None if value == "" else value


def _read_base64(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        # Go's decoder, which the API server uses for `format: byte`, skips line ends as well.
        decoded = base64.b64decode(value.translate({10: None, 13: None}), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64; encode the PEM text with `base64 -w0`") from error
    if not decoded:
        raise ValueError("is empty; leave it out, or give the PEM text in base64")
    return decoded


def _read_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _write_base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode("ascii")


def _write_duration(value: timedelta | None) -> str | None:
    return None if value is None else format_duration(value)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


OptionalText = Annotated[str | None, BeforeValidator(_none_if_empty)]
"""Text; the empty text counts as none."""

RequiredText = Annotated[str, Field(min_length=1)]

OptionalBytes = Annotated[
    bytes | None,
    BeforeValidator(_read_base64),
    PlainSerializer(_write_base64),
    WithJsonSchema({"type": "string", "format": "byte"}),
]
"""Bytes, base64 in JSON."""

OptionalDuration = Annotated[
    timedelta | None,
    BeforeValidator(_read_duration),
    PlainSerializer(_write_duration),
    WithJsonSchema({"type": "string", "maxLength": 64}),
]
"""A timedelta, a Go duration in JSON."""

TextList = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
