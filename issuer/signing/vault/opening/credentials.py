"""Credentials of a connection to Vault: the Secrets and ServiceAccount tokens that an issuer's spec names.

The namespace rule: a namespaced issuer uses Secrets and ServiceAccounts of its own namespace only; a cluster
issuer those of the cluster resource namespace only. References carry no namespace, so there is no other way
in. Secrets are read by name, so `get` on the named Secrets is all the RBAC it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from issuer.api.issuers import VaultIssuerSpec
from issuer.api.secrets import DEFAULT_CA_KEY
from issuer.api.vault import VaultSpec
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import Reach
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.secrets import References
from issuer.signing.settings import BackendSettings
from issuer.signing.trusted_cas import read_anchors
from issuer.signing.vault.opening.logins import Logins, client_certificate
from issuer.transport.client_certificate import ClientCertificate
from issuer.transport.sender import check_server
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection, ServerNotAllowed
from issuer.vault.login.methods import AuthMethod
from issuer.x509.chains.anchors import Anchors


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that connecting to Vault for one issuer needs.

    `versions` holds `(name, resourceVersion)` of each Secret read: when one changes, the token got with it is
    no longer used. `anchors` are `spec.trustedCA`'s.
    """

    connection: Connection
    method: AuthMethod
    versions: tuple[tuple[str, str], ...]
    anchors: Anchors | None = None


class CredentialReader:
    """Reads the references of issuers through the API server."""

    def __init__(self, client: KubeClient, settings: BackendSettings) -> None:
        self._client = client
        self._settings = settings

    async def read(self, key: IssuerKey, spec: VaultIssuerSpec) -> Credentials:
        """Read what the spec refers to.

        Raises IssuerBroken (SecretNotFound, SecretKeyNotFound, InvalidClientCertificate,
        ...) with what to fix, or Retry when the API server can't answer now. Nothing is read for a server
        that the issuer may not use (ServerNotAllowed).
        """
        settings = self._settings
        reach = Reach(settings.allowed_servers, restricted=bool(key.namespace))
        await self._check_server(spec.vault, reach)
        references = References(self._client, settings.home(key.namespace), restricted=bool(key.namespace))
        ambient = settings.ambient_credentials(key.namespace)
        connection = await self._connection(references, spec.vault, reach)
        method = await Logins(references, key, spec.vault, ambient, settings.timeout).method()
        anchors = await read_anchors(references, spec)
        return Credentials(connection, method, tuple(sorted(references.versions.items())), anchors)

    async def _check_server(self, vault: VaultSpec, reach: Reach) -> None:
        try:
            await check_server(Connection(vault.server, timeout=self._settings.timeout, reach=reach))
        except ServerNotAllowed as error:
            raise IssuerBroken(
                SigningIssuerReason.SERVER_NOT_ALLOWED, f"spec.vault.server: {error}."
            ) from error
        except InvalidConnection as error:
            raise IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.") from error

    async def _connection(self, references: References, vault: VaultSpec, reach: Reach) -> Connection:
        ca_pem = vault.ca_bundle
        if ca_pem is None and vault.ca_bundle_secret_ref is not None:
            where = "spec.vault.caBundleSecretRef"
            ca_pem = await references.value(vault.ca_bundle_secret_ref, DEFAULT_CA_KEY, where)
            if not ca_pem.strip():  # else the system's store would be trusted instead
                name = f"{references.namespace}/{vault.ca_bundle_secret_ref.name}"
                raise IssuerBroken(
                    SigningIssuerReason.SECRET_KEY_NOT_FOUND,
                    f'{where}: the CA bundle in Secret "{name}" is empty',
                )
        return Connection(
            server=vault.server,
            ca_pem=ca_pem or None,
            server_name=vault.server_name or None,
            namespace=vault.namespace or None,
            client_certificate=await self._client_certificate(references, vault),
            timeout=self._settings.timeout,
            reach=reach,
        )

    async def _client_certificate(self, references: References, vault: VaultSpec) -> ClientCertificate | None:
        certificate, key = vault.client_cert_secret_ref, vault.client_key_secret_ref
        if certificate is None or key is None:  # the API takes both or none
            return None
        where = "spec.vault.clientCertSecretRef and clientKeySecretRef"
        return await client_certificate(references, certificate, key, where)
