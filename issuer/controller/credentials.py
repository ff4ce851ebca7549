"""From an issuer's spec to what a connection to Vault needs: Secrets and ServiceAccount tokens.

The namespace rule: a namespaced issuer uses Secrets and ServiceAccounts of its
own namespace only; a cluster issuer those of the cluster resource namespace
only. References carry no namespace, so there is no other way in. Secrets are
read by name, so ``get`` on the named Secrets is all the RBAC it takes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from issuer.api.issuers import IssuerSpec
from issuer.api.vault import SecretKeySelector, ServiceAccountRef, VaultAuth, VaultSpec
from issuer.controller.request import IssuerKey
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, Invalid, KubeError, NotFound
from issuer.kube.resources import SECRETS
from issuer.signing.outcomes import IssuerBroken, Retry, SigningError
from issuer.vault.auth import AppRole, AuthMethod, Kubernetes, StaticToken
from issuer.vault.connection import Connection

# cert-manager's defaults for the key inside a Secret.
TOKEN_KEY = "token"  # noqa: S105 - the name of a key
CA_KEY = "ca.crt"

KUBERNETES_MOUNT = "/v1/auth/kubernetes"

# Life of a ServiceAccount token made for one login; the API server's minimum.
TOKEN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything needed to reach Vault as an issuer.

    ``versions`` holds ``(name, resourceVersion)`` of each Secret read: when one
    changes, the token it bought is no longer used.
    """

    connection: Connection
    method: AuthMethod
    versions: tuple[tuple[str, str], ...]


class CredentialReader:
    """Resolves the references of issuers through the API server."""

    def __init__(self, client: KubeClient, cluster_resource_namespace: str, timeout: float) -> None:
        self._client = client
        self._cluster_resource_namespace = cluster_resource_namespace
        self._timeout = timeout

    async def read(self, key: IssuerKey, spec: IssuerSpec) -> Credentials:
        """Read what the spec refers to.

        Raises IssuerBroken (SecretNotFound, SecretKeyNotFound, InvalidCABundle,
        ...) with what to fix, or Retry when the API server can't answer now.
        """
        reading = _Reading(self._client, key.namespace or self._cluster_resource_namespace)
        connection = await self._connection(reading, spec.vault)
        method = await self._method(reading, key, spec.vault)
        return Credentials(connection, method, tuple(sorted(reading.versions.items())))

    async def _connection(self, reading: _Reading, vault: VaultSpec) -> Connection:
        ca_pem = vault.ca_bundle
        if ca_pem is None and vault.ca_bundle_secret_ref is not None:
            ca_pem = await reading.value(vault.ca_bundle_secret_ref, CA_KEY, "spec.vault.caBundleSecretRef")
        return Connection(
            server=vault.server,
            ca_pem=ca_pem or None,
            server_name=vault.server_name or None,
            namespace=vault.namespace or None,
            timeout=self._timeout,
        )

    async def _method(self, reading: _Reading, key: IssuerKey, vault: VaultSpec) -> AuthMethod:
        auth: VaultAuth = vault.auth
        chosen, _ignored = auth.chosen()
        if chosen == "tokenSecretRef" and auth.token_secret_ref is not None:
            where = "spec.vault.auth.tokenSecretRef"
            return StaticToken(await reading.text(auth.token_secret_ref, TOKEN_KEY, where))
        if chosen == "appRole" and auth.app_role is not None:
            role = auth.app_role
            where = "spec.vault.auth.appRole.secretRef"
            secret_id = await reading.text(role.secret_ref, None, where)
            return AppRole(role_id=role.role_id, secret_id=secret_id, mount=role.path or "approle")
        if chosen == "kubernetes" and auth.kubernetes is not None:
            jwt = await self._jwt(reading, key, vault)
            mount = auth.kubernetes.mount_path or KUBERNETES_MOUNT
            return Kubernetes(role=auth.kubernetes.role, jwt=jwt, mount=mount)
        raise IssuerBroken(
            "InvalidSpec",
            "spec.vault.auth names no login: set one of tokenSecretRef, appRole or kubernetes",
        )

    async def _jwt(self, reading: _Reading, key: IssuerKey, vault: VaultSpec) -> Callable[[], Awaitable[str]]:
        kubernetes = vault.auth.kubernetes
        if kubernetes is None:
            raise AssertionError("called for Kubernetes auth only")
        # Both may be set; cert-manager then takes the Secret.
        if kubernetes.secret_ref is not None and kubernetes.secret_ref.name:
            where = "spec.vault.auth.kubernetes.secretRef"
            jwt = await reading.text(kubernetes.secret_ref, TOKEN_KEY, where)
            return lambda: _constant(jwt)
        if kubernetes.service_account_ref is not None:
            reference = kubernetes.service_account_ref
            audiences = token_audiences(key, reference, vault.server)
            return lambda: reading.service_account_token(reference.name, audiences)
        raise IssuerBroken(
            "InvalidSpec", "spec.vault.auth.kubernetes needs serviceAccountRef (or, less safe, secretRef)"
        )


async def _constant(value: str) -> str:
    return value


def token_audiences(key: IssuerKey, reference: ServiceAccountRef, server: str) -> list[str]:
    """Audiences of a ServiceAccount token, by cert-manager's rule.

    The configured ones, then ``vault://<namespace>/<issuer>`` (or
    ``vault://<issuer>`` for a cluster issuer), which no other issuer gets, then
    the server's address.
    """
    own = f"vault://{key.namespace}/{key.name}" if key.namespace else f"vault://{key.name}"
    return [*(reference.audiences or ()), own, server]


@dataclass(slots=True)
class _Reading:
    """Reads one issuer's references, all in one namespace."""

    client: KubeClient
    namespace: str
    versions: dict[str, str]

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.versions = {}

    async def text(self, reference: SecretKeySelector, default_key: str | None, where: str) -> str:
        raw = await self.value(reference, default_key, where)
        try:
            text = raw.decode("ascii").strip()
        except UnicodeDecodeError as error:
            raise self._no_value(
                reference.name, reference.key or default_key, where, "is not text"
            ) from error
        if not text:
            raise self._no_value(reference.name, reference.key or default_key, where, "is empty")
        return text

    async def value(self, reference: SecretKeySelector, default_key: str | None, where: str) -> bytes:
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

    async def service_account_token(self, name: str, audiences: list[str]) -> str:
        which = f"ServiceAccount {self.namespace}/{name}"
        where = "spec.vault.auth.kubernetes.serviceAccountRef"
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
