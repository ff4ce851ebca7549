"""Opens signers of Vault: credentials are read, and the signer is built from them."""

from __future__ import annotations

from typing import cast

from issuer.api.issuers import IssuerSpec, VaultIssuerSpec
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import LoggedIn, MemoryUse, PreparedSigner
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Signer
from issuer.signing.vault.opening.credentials import CredentialReader, Credentials
from issuer.signing.vault.signer import VaultSigner


class VaultConnector:
    """Opens the signers of issuers with `spec.vault`; `logged_in` hears of each login."""

    def __init__(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> None:
        self._credentials = CredentialReader(client, settings)
        self._logged_in = logged_in

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        """Read Secrets and make ServiceAccount tokens. Raises IssuerBroken or Retry."""
        vault_spec = cast("VaultIssuerSpec", spec)
        credentials = await self._credentials.read(key, vault_spec)
        use = credentials.connection.tls_use()
        return PreparedSigner(
            credentials.versions,
            lambda: self._signer(vault_spec, credentials),
            credentials.anchors,
            MemoryUse(use.what, use.size),
        )

    def _signer(self, spec: VaultIssuerSpec, credentials: Credentials) -> Signer:
        authority = spec.certificate_authority
        return VaultSigner(
            credentials.connection,
            credentials.method,
            spec.vault.path,
            None if authority is None else authority.path,
            revokes=spec.revocation.policy != "Never",
            logged_in=self._logged_in,
        )
