"""Fields of an issuer's spec: those that our model knows, and the meaning of a misspelt one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from issuer.migrate.read.inventory import inner


def known_part(model: type[BaseModel], spec: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the known fields of an issuer's spec, as they are written, and the paths of unknown ones.

    Nulls are left out, as the API server does.
    """
    part: dict[str, Any] = _without_nulls(copy.deepcopy(dict(spec)))
    dropped: list[str] = []
    try:
        # By the names of the API alone: what Python calls a field is no name for users.
        model.model_validate(part, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            if problem["type"] == "extra_forbidden":
                dropped.append(".".join(["spec", *map(str, problem["loc"])]))
                _remove(part, problem["loc"])
    return part, tuple(dropped)


def meant(model: type[BaseModel], spec: Mapping[str, Any], path: str) -> str:
    """Return the known field, not given there, that an unknown one may be a misspelling of."""
    _, *parents, last = path.split(".")
    inside: type[BaseModel] | None = model
    for key in parents:
        inside = _model_of(inside, key) if inside else None
    if inside is None:
        return ""
    given = inner(spec, *parents)
    known = [name for field, one in inside.model_fields.items() if (name := one.alias or field) not in given]
    found = get_close_matches(last, known, 1)
    return f' (did you mean "{found[0]}"?)' if found else ""


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of a field, which may be optional."""
    field = next((one for one in model.model_fields.values() if one.alias == key), None)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return value


def _remove(data: dict[str, Any], path: tuple[int | str, ...]) -> None:
    *parents, last = path
    for key in parents:
        data = data[key]  # type: ignore[index]
    del data[last]  # type: ignore[arg-type]
