"""State of a server, asked before anything else."""

from __future__ import annotations

from dataclasses import dataclass

from issuer.pki.errors import VaultNotUsable
from issuer.pki.server.calls import translated
from issuer.vault.errors import VaultError, VaultNotFound
from issuer.vault.transport import VaultClient


@dataclass(frozen=True, slots=True)
class ServerState:
    """An unsealed server."""

    version: str


async def check_state(client: VaultClient) -> ServerState:
    """Return the server's state. Raises VaultNotUsable if it is sealed, not initialised, or has no active
    node.

    A standby is no fault: it forwards or redirects.
    """
    adapter = client.adapter()
    try:
        status = await adapter.get("/v1/sys/seal-status") or {}
        if not status.get("initialized"):
            raise VaultNotUsable("Vault is not initialised; initialise it first (bao operator init)")
        if status.get("sealed"):
            raise VaultNotUsable("Vault is sealed; unseal it, and run the same again")
        leader = await adapter.get("/v1/sys/leader") or {}
    except VaultNotFound as error:
        raise VaultNotUsable("The address answers, but not as Vault does; check VAULT_ADDR") from error
    except VaultError as error:
        raise translated(error) from error
    if leader.get("ha_enabled") and not leader.get("is_self") and not leader.get("leader_address"):
        raise VaultNotUsable(
            "This node is a standby and the cluster has no active node; unseal more nodes, then go on"
        )
    return ServerState(str(status.get("version", "")))
