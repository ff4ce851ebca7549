"""Base of the models of `pki.yaml`, and types that several share."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from issuer.manifests.checked import StrictModel

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
MOUNT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
# Both stand in rules of policies, where a quotation mark would begin rules of its own.
MountPath = Annotated[str, StringConstraints(pattern=MOUNT, max_length=256)]


_ROLE_PATH: Final = f"^{MOUNT[1:-1]}/{NAME[1:-1]}$"


def _role_path(value: str) -> str:
    if re.fullmatch(_ROLE_PATH[1:-1], value) is None:
        raise ValueError("is not MOUNT/ROLE, such as pki_int/web; for a wider rule write the policy out")
    return value


RolePath = Annotated[
    str, AfterValidator(_role_path), WithJsonSchema({"type": "string", "pattern": _ROLE_PATH})
]


class FileModel(StrictModel):
    """A part of `pki.yaml`."""
