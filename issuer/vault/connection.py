"""One Vault server: a connection, with the namespace that Vault Enterprise and OpenBao have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from yarl import URL

from issuer.servers.allowed import IssuerWords
from issuer.transport.connection import DEFAULT_TIMEOUT_SECONDS, ServerConnection, TLSUse
from issuer.transport.words import ServerWords
from issuer.vault.errors import InvalidConnection

__all__ = ["DEFAULT_TIMEOUT_SECONDS", "VAULT_WORDS", "Connection", "TLSUse"]

VAULT_WORDS: Final = ServerWords(
    product="Vault",
    example="https://vault.example.com:8200",
    trust_fields="caBundle or the Secret of caBundleSecretRef",
    issuers=IssuerWords("VaultIssuers", "VaultClusterIssuers", "vault.server"),
)


@dataclass(frozen=True, slots=True)
class Connection(ServerConnection):
    """One Vault server, as `spec.vault` of an issuer names it; `namespace` is Vault Enterprise's or
    OpenBao's."""

    words: ClassVar[ServerWords] = VAULT_WORDS

    namespace: str | None = None

    def url(self) -> URL:
        """Return the server's base URL; raises InvalidConnection unless plain
        http(s)://host[:port][/path]."""
        url = ServerConnection.url(self)  # not super(): slots made this class anew
        if self.namespace is not None and not self.namespace.isprintable():
            raise InvalidConnection("The Vault namespace holds characters that can't be sent")
        return url
