"""Users, and TokenReview: the API server's word on whose a token is.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.resources import TOKEN_REVIEWS
from issuer.kube.wire import Object

_SERVICE_ACCOUNT: Final = re.compile(r"^system:serviceaccount:([^:]+):([^:]+)$")


@dataclass(frozen=True, slots=True)
class User:
    """A user as the API server knows them: everything an authorizer may look at. Without a name, nobody."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> User:
        """Read a UserInfo of the API: `username`, `uid`, `groups` and `extra`, each of which may be missing.

        CertificateRequests and CertificateSigningRequests have the same fields in their spec.
        """
        extra = info.get("extra") or {}
        return cls(
            str(info.get("username") or ""),
            str(info.get("uid") or ""),
            _texts(info.get("groups")),
            tuple(sorted((str(key), _texts(values)) for key, values in extra.items())),
        )

    @property
    def service_account(self) -> tuple[str, str] | None:
        """Namespace and name of a ServiceAccount; None for any other user."""
        match = _SERVICE_ACCOUNT.match(self.name)
        return (match[1], match[2]) if match else None


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
    return User.of(user)


def _texts(values: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(str(value) for value in values or ())
