"""The base of what is read from a ceremony file and kept in a ledger."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class RootModel(BaseModel):
    """Data of a root: camelCase keys, unknown ones refused, never changed, not shown in errors."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )
