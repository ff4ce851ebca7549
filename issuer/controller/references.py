"""Reads what one issuer refers to, Secrets and ServiceAccount tokens, all in one namespace."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from issuer.api.vault import SecretKeySelector
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, Invalid, KubeError, NotFound
from issuer.kube.resources import SECRETS
from issuer.signing.outcomes import IssuerBroken, Retry, SigningError

# Life of a ServiceAccount token made for one login; the API server's minimum.
TOKEN_SECONDS = 600


@dataclass(slots=True)
class References:
    """One reading of one issuer's references. `versions` collects the resourceVersion of each Secret read."""

    client: KubeClient
    namespace: str
    versions: dict[str, str] = field(default_factory=dict)

    async def text(self, reference: SecretKeySelector, default_key: str | None, where: str) -> str:
        """One line of ASCII, such as a token. `where` is the field's path, for messages."""
        raw = await self.value(reference, default_key, where)
        try:
            text = raw.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise self._no_value(
                reference.name, reference.key or default_key, where, "is not text"
            ) from error
        if not text:
            raise self._no_value(reference.name, reference.key or default_key, where, "is empty")
        if not text.isprintable():
            raise self._no_value(
                reference.name, reference.key or default_key, where, "is not one line of text"
            )
        return text

    async def value(self, reference: SecretKeySelector, default_key: str | None, where: str) -> bytes:
        """One entry of a Secret.

        Raises IssuerBroken (SecretNotFound, SecretKeyNotFound, SecretForbidden, InvalidSpec) with what to
        fix, or Retry.
        """
        key = reference.key or default_key
        if not key:
            raise IssuerBroken("InvalidSpec", f"{where}.key is missing: name the key inside the Secret")
        secret = await self._secret(reference.name, where)
        self.versions[reference.name] = secret["metadata"]["resourceVersion"]
        encoded = (secret.get("data") or {}).get(key)
        if encoded is None:
            raise self._no_value(reference.name, key, where, "is missing")
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self._no_value(reference.name, key, where, "is not base64") from error

    async def _secret(self, name: str, where: str) -> dict[str, Any]:
        try:
            return await self.client.get(SECRETS, name, self.namespace)
        except NotFound as error:
            raise IssuerBroken(
                "SecretNotFound", f"{where}: there is no Secret {self.namespace}/{name}; create it"
            ) from error
        except Forbidden as error:
            raise IssuerBroken(
                "SecretForbidden",
                f"{where}: the controller may not read Secret {self.namespace}/{name}; "
                "grant its ServiceAccount the verb get on it",
            ) from error
        except Invalid as error:  # a name that no Secret can have
            raise IssuerBroken("InvalidSpec", f"{where}.name: {error}") from error
        except KubeError as error:
            raise kubernetes_retry(error, f"read Secret {self.namespace}/{name}") from error

    def _no_value(self, name: str, key: str | None, where: str, what: str) -> SigningError:
        return IssuerBroken(
            "SecretKeyNotFound", f"{where}: key {key!r} of Secret {self.namespace}/{name} {what}; set it"
        )

    async def service_account_token(self, name: str, audiences: list[str], where: str) -> str:
        """A new token of ten minutes for a ServiceAccount.

        Raises IssuerBroken (ServiceAccountNotFound, TokenRequestForbidden, InvalidSpec), or Retry.
        """
        which = f"ServiceAccount {self.namespace}/{name}"
        try:
            token = await self.client.request_token(self.namespace, name, audiences, TOKEN_SECONDS)
        except NotFound as error:
            raise IssuerBroken(
                "ServiceAccountNotFound", f"{where}: there is no {which}; create it"
            ) from error
        except Forbidden as error:
            raise IssuerBroken(
                "TokenRequestForbidden",
                f"{where}: the controller may not create tokens for {which}; grant its ServiceAccount "
                "the verb create on serviceaccounts/token by a Role that names it, and check that it exists",
            ) from error
        except Invalid as error:  # a name that no ServiceAccount can have, or audiences the server refuses
            raise IssuerBroken("InvalidSpec", f"{where}: {error}") from error
        except KubeError as error:
            raise kubernetes_retry(error, f"create a token for {which}") from error
        return token.value


def kubernetes_retry(error: KubeError, doing: str) -> Retry:
    """The API server could not answer now: try again later."""
    return Retry("KubernetesUnavailable", f"could not {doing}: {error}")
