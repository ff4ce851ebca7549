"""Users, and TokenReview: the API server's word on whose a token is.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.resources import TOKEN_REVIEWS
from issuer.kube.wire import Object


@dataclass(frozen=True, slots=True)
class User:
    """Who somebody is to the API server: everything an authorizer may look at."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


async def review_token(client: KubeClient, token: str) -> User | None:
    """Return the user of a token for the API server's audience; None if nobody's. Raises KubeError."""
    body: Object = {
        "apiVersion": TOKEN_REVIEWS.api_version,
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    answer = await client.create(TOKEN_REVIEWS, body)
    status = answer.get("status")
    if not isinstance(status, dict):
        raise KubeError("the TokenReview was answered without a status")
    user = status.get("user")
    if status.get("authenticated") is not True or not isinstance(user, dict) or not user.get("username"):
        return None
    return User(str(user["username"]), str(user.get("uid") or ""), _texts(user.get("groups")), _extra(user))


def _extra(user: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    extra = user.get("extra") or {}
    return tuple(sorted((str(key), _texts(values)) for key, values in extra.items()))


def _texts(values: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(str(one) for one in values or ())
