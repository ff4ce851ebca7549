"""Address, CA, namespace and token from the environment, as `vault` and `bao` take them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from issuer.manifests.errors import BadInput
from issuer.pki.file.durations import TRUTHS
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import translated
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection
from issuer.vault.transport import VaultClient

_PATHS: Final = frozenset({"ui", "v1"})
"""First parts of paths that people copy with an address: of the browser's page, and of the API."""


def connection_from(environment: Mapping[str, str]) -> Connection:
    """Return the server that VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE and VAULT_TLS_SERVER_NAME name; BAO_
    before VAULT_. Raises BadInput."""
    address = variable(environment, "ADDR")
    if not address:
        raise BadInput(
            "VAULT_ADDR is not set; set it to Vault's address, such as https://vault.example.com:8200"
        )
    if TRUTHS.get(variable(environment, "SKIP_VERIFY")) is not False:
        raise BadInput("VAULT_SKIP_VERIFY is set, but TLS is always verified; unset it, set VAULT_CACERT")
    path = urlsplit(address).path.strip("/").partition("/")[0]
    if path in _PATHS:
        raise BadInput(f"VAULT_ADDR is the server alone, without /{path}; take that off {address}")
    return Connection(
        server=address,
        ca_pem=_ca(variable(environment, "CACERT")),
        server_name=variable(environment, "TLS_SERVER_NAME") or None,
        namespace=variable(environment, "NAMESPACE") or None,
    )


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


def variable(environment: Mapping[str, str], name: str) -> str:
    """Return BAO_`name`, or VAULT_`name`, or ''."""
    return environment.get(f"BAO_{name}") or environment.get(f"VAULT_{name}") or ""


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


def _ca(path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"VAULT_CACERT: {path} can't be read: {error.strerror}") from error
