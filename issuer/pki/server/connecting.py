"""Address, CA, namespace and token from the environment, as `vault` and `bao` take them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from issuer.manifests.errors import BadInput
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import translated
from issuer.vault.connection import Connection
from issuer.vault.environment import BadVariable, server_from, variable
from issuer.vault.errors import InvalidConnection
from issuer.vault.transport import VaultClient

MAX_ANSWER_BYTES: Final = 64 << 20
"""Of one answer to a person's command. Vault lists all serial numbers of a mount at once, and so does OpenBao
unless it is asked for pages: 65 bytes for each, so a million certificates. A CRL may have 1.4 MiB as PEM."""


def connection_from(environment: Mapping[str, str]) -> Connection:
    """Return the server that the environment names. Raises BadInput."""
    try:
        return replace(server_from(environment), most_bytes=MAX_ANSWER_BYTES)
    except BadVariable as error:
        raise BadInput(str(error)) from error


def server_connection(environment: Mapping[str, str]) -> Connection:
    """Return that server for calls about it as a whole, which it refuses in namespaces. Raises BadInput."""
    return replace(connection_from(environment), namespace=None)


def token_from(environment: Mapping[str, str]) -> SecretText:
    """Return the token of BAO_TOKEN or VAULT_TOKEN. Raises BadInput if neither holds one.

    `~/.vault-token` is never read: a server in development mode writes its root token there, and the CLIs
    fall back to it where the variable is empty.
    """
    token = variable(environment, "TOKEN").strip()
    if not token:
        raise BadInput(
            "VAULT_TOKEN holds no token; set it (~/.vault-token is not read). "
            "For example: export VAULT_TOKEN=$(cat ~/.vault-token)"
        )
    if not token.isprintable() or not token.isascii() or " " in token:
        raise BadInput("VAULT_TOKEN holds characters that no token has")
    return SecretText(token)


@asynccontextmanager
async def connected(connection: Connection) -> AsyncIterator[VaultClient]:
    """Open a client, and close it. Raises VaultNotUsable for an address or CA that can't be used."""
    try:
        client = VaultClient(connection)
    except InvalidConnection as error:
        raise translated(error, written=False) from error
    try:
        yield client
    finally:
        await client.close()
