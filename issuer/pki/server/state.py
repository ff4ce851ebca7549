"""State of a server, asked before anything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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
            raise VaultNotUsable("Vault is not initialised; initialise it first (vault-issuer pki init)")
        if status.get("sealed"):
            raise VaultNotUsable("Vault is sealed; unseal it, and run the same again")
        leader = await adapter.get("/v1/sys/leader") or {}
    except VaultNotFound as error:
        raise VaultNotUsable("The address answers, but not as Vault does; check VAULT_ADDR") from error
    except VaultError as error:
        raise translated(error, written=False) from error
    if leader.get("ha_enabled") and not leader.get("is_self") and not leader.get("leader_address"):
        raise VaultNotUsable(
            "This node is a standby and the cluster has no active node; unseal more nodes, then go on"
        )
    return ServerState(str(status.get("version", "")))


async def clock_skew(client: VaultClient) -> float | None:
    """Return the server's clock minus ours, in seconds, to about one second; None if it sends no date.

    Raises VaultNotUsable.
    """
    adapter = client.adapter()
    before = datetime.now(UTC)
    try:
        await adapter.get("/v1/sys/seal-status")
    except VaultError as error:
        raise translated(error, written=False) from error
    ours = before + (datetime.now(UTC) - before) / 2
    theirs = adapter.answered_at
    # Dates have whole seconds, cut off: half a second is the least error.
    return None if theirs is None else (theirs - ours).total_seconds() + 0.5
