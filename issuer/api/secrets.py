"""References to entries of Secrets, as specs of issuers of any backend have them."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from issuer.api.model import ApiModel, OptionalText

DEFAULT_CA_KEY: Final = "ca.crt"
"""Entry that holds CA certificates, where a reference names none."""


class SecretKeySelector(ApiModel):
    """Points to one entry of a Secret."""

    name: str = Field(description="Name of the Secret.")
    key: OptionalText = Field(
        default=None, description="Entry of the Secret's data to read. Some fields have a default for it."
    )
