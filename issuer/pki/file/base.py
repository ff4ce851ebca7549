"""Base of the models of `pki.yaml`, and types that several share."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
MOUNT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
MountPath = Annotated[str, StringConstraints(pattern=MOUNT, max_length=256)]


class FileModel(BaseModel):
    """A part of the file: camelCase keys, unknown ones refused, never changed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        populate_by_name=False,
        hide_input_in_errors=True,
    )
