"""Secrets and ServiceAccount tokens that one issuer refers to, all read in one namespace."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from issuer.api.secrets import SecretKeySelector
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, Invalid, KubeError, NotFound
from issuer.kube.resources import SECRETS
from issuer.signing.outcomes import IssuerBroken, Retry, SigningError
from issuer.signing.reasons import SigningIssuerReason, SigningRetry

# Life of a ServiceAccount token made for one login; the API server's minimum.
TOKEN_SECONDS = 600
# Types of Secrets whose content is for others than the CA's server.
# https://kubernetes.io/docs/concepts/configuration/secret/#secret-types
NO_CREDENTIALS = frozenset(
    {
        "kubernetes.io/tls",
        "kubernetes.io/service-account-token",
        "kubernetes.io/dockerconfigjson",
        "kubernetes.io/dockercfg",
        "kubernetes.io/ssh-auth",
        "bootstrap.kubernetes.io/token",
        "helm.sh/",
    }
)
# A client certificate's key signs, and is never sent.
NO_KEY_PAIRS = NO_CREDENTIALS - {"kubernetes.io/tls"}


@dataclass(slots=True)
class References:
    """One reading of one issuer's references.

    A Secret is read once, so that all entries of it that are used are of one version.

    With `restricted`, an issuer of a namespace, the content may go to a server that another user chose than
    the Secret's author: some types of Secrets are refused, and tokens are useless at this cluster's API
    server.
    """

    client: KubeClient
    namespace: str
    restricted: bool = False
    _read: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def versions(self) -> dict[str, str]:
        """The resourceVersion of each Secret read, by its name."""
        return {name: secret["metadata"]["resourceVersion"] for name, secret in self._read.items()}

    async def text(self, reference: SecretKeySelector, default_key: str | None, where: str) -> str:
        """Return one line of ASCII, such as a token. `where` is the field's path, for messages."""
        raw = await self.value(reference, default_key, where, NO_CREDENTIALS)
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

    async def value(
        self,
        reference: SecretKeySelector,
        default_key: str | None,
        where: str,
        refused: frozenset[str] = frozenset(),
    ) -> bytes:
        """Return one entry of a Secret, unless the issuer is `restricted` and the Secret's type is `refused`.

        Raises IssuerBroken (SecretNotFound, SecretKeyNotFound, SecretForbidden, SecretTypeNotAllowed,
        InvalidSpec) with what to fix, or Retry.
        """
        key = reference.key or default_key
        if not key:
            raise IssuerBroken(
                SigningIssuerReason.INVALID_SPEC, f"{where}.key is missing: name the key inside the Secret"
            )
        if reference.name not in self._read:
            self._read[reference.name] = await self._secret(reference.name, where)
        secret = self._read[reference.name]
        kind = str(secret.get("type", ""))
        if self.restricted and _is_of(kind, refused):
            raise IssuerBroken(
                SigningIssuerReason.SECRET_TYPE_NOT_ALLOWED,
                f'{where}: Secret "{self.namespace}/{reference.name}" is of type {kind}, which holds what is '
                "for others than an issuer's server. Put the issuer's credential into a Secret of type "
                "Opaque, or ask an administrator for a cluster issuer",
            )
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
                SigningIssuerReason.SECRET_NOT_FOUND,
                f'{where}: there is no Secret "{self.namespace}/{name}"; create it',
            ) from error
        except Forbidden as error:
            raise IssuerBroken(
                SigningIssuerReason.SECRET_FORBIDDEN,
                f'{where}: the controller may not read Secret "{self.namespace}/{name}"; '
                f"grant its ServiceAccount the verb get on it ({self._chart_value('secrets')})",
            ) from error
        except Invalid as error:  # a name that no Secret can have
            raise IssuerBroken(SigningIssuerReason.INVALID_SPEC, f"{where}.name: {error}") from error
        except KubeError as error:
            raise kubernetes_retry(error, f'read Secret "{self.namespace}/{name}"') from error

    def _chart_value(self, field: str) -> str:
        """Return the chart's value that grants it."""
        where = f"namespaceAccess, its {field}" if self.restricted else f"clusterIssuers.{field}"
        return f"chart: {where}"

    def _no_value(self, name: str, key: str | None, where: str, what: str) -> SigningError:
        return IssuerBroken(
            SigningIssuerReason.SECRET_KEY_NOT_FOUND,
            f'{where}: key "{key}" of Secret "{self.namespace}/{name}" {what}; set it',
        )

    async def service_account_token(self, name: str, audiences: list[str], where: str) -> str:
        """Return a new token of ten minutes for a ServiceAccount.

        Of a `restricted` issuer it is one that is no good for the API server itself.

        Raises IssuerBroken (ServiceAccountNotFound, TokenRequestForbidden, AudienceRefused, InvalidSpec), or
        Retry.
        """
        which = f'ServiceAccount "{self.namespace}/{name}"'
        try:
            token = await self.client.request_token(self.namespace, name, audiences, TOKEN_SECONDS)
        except NotFound as error:
            raise IssuerBroken(
                SigningIssuerReason.SERVICE_ACCOUNT_NOT_FOUND, f"{where}: there is no {which}; create it"
            ) from error
        except Forbidden as error:
            raise IssuerBroken(
                SigningIssuerReason.TOKEN_REQUEST_FORBIDDEN,
                f"{where}: the controller may not create tokens for {which}; grant its ServiceAccount "
                "the verb create on serviceaccounts/token by a Role that names it "
                f"({self._chart_value('serviceAccounts')}), and check that it exists",
            ) from error
        except Invalid as error:  # a name that no ServiceAccount can have, or audiences the server refuses
            raise IssuerBroken(SigningIssuerReason.INVALID_SPEC, f"{where}: {error}") from error
        except KubeError as error:
            raise kubernetes_retry(error, f"create a token for {which}") from error
        if self.restricted:
            await self._check_token(token.value, which, audiences, where)
        return token.value

    async def _check_token(self, token: str, which: str, audiences: list[str], where: str) -> None:
        """Show the token to the API server: whoever it is sent to must not be let in with it."""
        try:
            taken = await self.client.takes_token(token)
        except KubeError as error:
            raise kubernetes_retry(error, f"see whether it takes the token of {which}") from error
        if taken:
            raise IssuerBroken(
                SigningIssuerReason.AUDIENCE_REFUSED,
                f"{where}: the API server itself takes a token for {', '.join(audiences)}, so whoever is "
                f"sent it could act as {which}. It was not sent. Take the API server's audience out of "
                "serviceAccountRef.audiences, and see that server is the address of your CA",
            )


def _is_of(kind: str, refused: frozenset[str]) -> bool:
    return kind in refused or (f"{kind.partition('/')[0]}/") in refused


def kubernetes_retry(error: KubeError, doing: str) -> Retry:
    """Return the outcome of a question that the API server could not answer now."""
    return Retry(SigningRetry.KUBERNETES_UNAVAILABLE, f"could not {doing}: {error}")
