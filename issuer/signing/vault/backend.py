"""The backend of issuers with `spec.vault`: HashiCorp Vault and OpenBao.

Describing an issuer imports nothing that talks to Vault; `connector` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from issuer.api.issuers import IssuerSpec, VaultIssuerSpec
from issuer.api.server import host_at, server_of
from issuer.kube.client import KubeClient
from issuer.requests.issuers import VAULT_KINDS, IssuerKind
from issuer.signing.backend import STATUS_FIELDS, Backend, Connector, IssuerPart, LoggedIn, Summary
from issuer.signing.profile import SigningProfile
from issuer.signing.settings import BackendSettings
from issuer.signing.vault.needs import needs_of
from issuer.signing.vault.parts import issuer_parts
from issuer.signing.vault.profile import signing_profile
from issuer.signing.vault.reasons import VAULT_REASONS, VaultOutage


class VaultBackend(Backend):
    """Signs for VaultIssuers and VaultClusterIssuers; see `issuer.signing.backend.Backend`."""

    name: Final = "vault"
    kinds: tuple[IssuerKind, ...] = VAULT_KINDS
    status_fields = STATUS_FIELDS
    reasons = VAULT_REASONS
    unreachable = VaultOutage.VAULT_UNREACHABLE

    def parse(self, spec: Mapping[str, Any]) -> VaultIssuerSpec:
        """Return the spec of an issuer. Raises SpecError, with one line for each bad field."""
        return VaultIssuerSpec.parse(spec)

    def profile(self, spec: IssuerSpec) -> SigningProfile:
        """Return how an issuer signs: by its path, and by `spec.certificateAuthority.path` for CAs."""
        return signing_profile(_ours(spec))

    def warnings(self, spec: IssuerSpec) -> tuple[str, ...]:
        """Return which login is used where several are set."""
        chosen, ignored = _ours(spec).vault.auth.chosen()
        if not ignored:
            return ()
        others = ", ".join(ignored)
        return (f"spec.vault.auth sets several methods: {chosen} is used, {others} ignored",)

    def ready_message(self, spec: IssuerSpec) -> str:
        """Return the login and the path of an issuer that was just checked."""
        vault = _ours(spec).vault
        return f"logged in by {vault.auth.chosen()[0]}; {vault.path} is ready to sign"

    def server(self, spec: Mapping[str, Any]) -> str:
        """Return `host:port` of `spec.vault.server`, empty where none can be read."""
        return server_of(spec)

    def secrets(self, spec: IssuerSpec) -> tuple[str, ...]:
        """Return the Secrets of the login that counts, of TLS, and of `spec.trustedCA`."""
        names = dict.fromkeys(needs_of(_ours(spec).vault).secrets)
        trusted = spec.trusted_ca
        if trusted is not None and trusted.secret_ref is not None:
            names[trusted.secret_ref.name] = None
        return tuple(names)

    def summary(self, spec: Mapping[str, Any]) -> Summary:
        """Return server and path as far as they can be read."""
        vault = spec.get("vault")
        if not isinstance(vault, dict):
            return Summary()
        address, path, namespace = (
            one if isinstance(one, str) else "" for one in map(vault.get, ("server", "path", "namespace"))
        )
        return Summary(host_at(address), path, address, namespace)

    def parts(self, spec: IssuerSpec, home: str = "") -> tuple[IssuerPart, ...]:
        """Return credentials, server, path, login, role and capability."""
        return issuer_parts(_ours(spec), home)

    def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
        """Return what reads credentials and opens signers of Vault."""
        from issuer.signing.vault.opening.connector import VaultConnector

        return VaultConnector(client, settings, logged_in)


def _ours(spec: IssuerSpec) -> VaultIssuerSpec:
    return cast("VaultIssuerSpec", spec)
