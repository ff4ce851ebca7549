"""The part of an issuer's status that bounds signing calls whose answers could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from issuer.api.model import ApiModel, OptionalText

MAX_REQUESTS: Final = 16
_MAX_UID: Final = 128
_MOST: Final = 16


class RequestBadAnswers(ApiModel):
    """Bad answers to the signing calls of one request."""

    uid: str = Field(min_length=1, max_length=_MAX_UID, description="The request's metadata.uid.")
    times: int = Field(ge=1, le=_MOST, description="How many bad answers there were for it.")


class BadAnswersStatus(ApiModel):
    """Signing calls since the last good one whose answers could not be delivered.

    It is kept here so that a controller that starts again goes on counting.
    """

    basis: str = Field(
        max_length=64,
        description=(
            "SHA-256 of what makes the count begin anew when it changes: the generation, the CAs and the "
            "anchors, and the annotation vault-issuer.io/retry-requested-at."
        ),
    )
    in_a_row: int = Field(
        default=0, ge=0, le=_MOST, description="Tries in a row; at three nothing more is signed."
    )
    only_request: OptionalText = Field(
        default=None,
        max_length=_MAX_UID,
        description="The uid of the request that had all of them. The last try is kept for another.",
    )
    only_namespace: OptionalText = Field(
        default=None,
        max_length=63,
        description=(
            "The namespace of the requests that had all of them, of an issuer of the cluster. A request of "
            "another namespace has one try more."
        ),
    )
    requests: Annotated[tuple[RequestBadAnswers, ...], Field(strict=False)] = Field(
        default=(),
        max_length=MAX_REQUESTS,
        description="Requests with bad answers and no good one; those with three are not signed again.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"]},
    )

    def to_json(self) -> dict[str, Any]:
        """Return it as the API server wants it: unset fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
