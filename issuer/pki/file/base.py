"""Base of the models of `pki.yaml`, and types that several share."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import StringConstraints

from issuer.manifests.checked import StrictModel

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"
MOUNT: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
MountPath = Annotated[str, StringConstraints(pattern=MOUNT, max_length=256)]


class FileModel(StrictModel):
    """A part of `pki.yaml`."""
