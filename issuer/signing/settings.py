"""Settings of the process that every backend obeys, whoever's issuer it works for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from issuer.servers.allowed import AllowedServers


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """Set by the operator, never by an issuer.

    Attributes:
        cluster_resource_namespace: namespace of the Secrets and ServiceAccounts that cluster issuers name.
        timeout: seconds that one call of a CA's server may take.
        allowed_servers: servers that issuers of a namespace may name.
        issuer_ambient_credentials: True if issuers of a namespace may use this process's own cloud identity
            or address.
        cluster_issuer_ambient_credentials: the likewise for cluster issuers.
        password_variables: environment variables of this process that cluster issuers may name.
        password_folders: folders of this process whose files cluster issuers may name.
    """

    cluster_resource_namespace: str
    timeout: float = 15.0
    allowed_servers: AllowedServers = field(default_factory=AllowedServers)
    issuer_ambient_credentials: bool = False
    cluster_issuer_ambient_credentials: bool = True
    password_variables: frozenset[str] = frozenset()
    password_folders: tuple[Path, ...] = ()

    def home(self, namespace: str) -> str:
        """Return where an issuer's Secrets are; `namespace` is its own, empty for cluster issuers."""
        return namespace or self.cluster_resource_namespace

    def ambient_credentials(self, namespace: str) -> bool:
        """Return True if an issuer may use this process's own cloud identity or address."""
        return self.issuer_ambient_credentials if namespace else self.cluster_issuer_ambient_credentials
