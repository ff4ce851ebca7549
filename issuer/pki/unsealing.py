"""Unseals servers with key shares, which are sent to them by TLS and go nowhere else.

A raft node that is not initialised may join the cluster of one that is unsealed, before it gets its shares.

Sources: https://openbao.org/api-docs/system/unseal/, https://openbao.org/api-docs/system/storage/raft/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from issuer.manifests.documents import STDIN, read_source
from issuer.manifests.errors import BadInput
from issuer.pki.errors import PkiError
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import translated
from issuer.pki.server.connecting import connected, server_connection
from issuer.vault.errors import VaultBadRequest, VaultError
from issuer.vault.transport import VaultClient

MAX_SHARES: Final = 255
"""Most shares that Vault makes."""
JOINING: Final = 60
"""Seconds for a node that joined to be unsealed after its last share: the leader has to answer it first."""
_PAUSE: Final = 0.5
"""Seconds between two looks at it."""
_OTHERS: Final = 0o077


class UnsealOutcome(StrEnum):
    """State of a server after its shares were sent."""

    UNSEALED = "unsealed"
    ALREADY = "was unsealed already"
    MORE = "needs more shares"
    NOT_INITIALISED = "is not initialised"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class UnsealResult:
    """The outcome for one server, with what to do where it isn't unsealed."""

    address: str
    outcome: UnsealOutcome
    message: str = ""


def shares_of(paths: Sequence[str]) -> list[SecretText]:
    """Read shares, a line each, from files that nobody else may read, or from standard input (`-`).

    Raises BadInput.
    """
    found: list[SecretText] = []
    for path in paths:
        if path != STDIN:
            _private(Path(path))
        source, content = read_source(path)
        try:
            lines = [line.strip() for line in content.decode("ascii").splitlines()]
        except UnicodeDecodeError:
            raise BadInput(f"{source} holds characters that no share has") from None
        shares = [SecretText(line) for line in lines if line]
        if not shares:
            raise BadInput(f"{source} holds no share; write one a line")
        found += shares
    if len(found) > MAX_SHARES:
        raise BadInput(f"{len(found)} shares are given, and Vault has {MAX_SHARES} at most")
    return list(dict.fromkeys(found))


def _private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}") from error
    if mode & _OTHERS:
        raise BadInput(f"Others may read {path}, which holds shares; first run: chmod 600 {path}")


async def unseal_all(
    addresses: Sequence[str],
    shares: Sequence[SecretText],
    environment: Mapping[str, str],
    *,
    reset: bool,
    join: bool = False,
) -> AsyncIterator[UnsealResult]:
    """Unseal servers one after the other, and yield each one's outcome.

    With `join` those that are not initialised come last, and join the cluster of the first that is unsealed.
    Raises BadInput.
    """
    for address in addresses:
        if not address.startswith("https://"):
            raise BadInput(f"{address} is no https:// address, and shares go by TLS alone")
    unsealing = _Unsealing(shares, environment, reset)
    new, leader = [], ""
    for address in addresses:
        result = await unsealing.one(address)
        if result.outcome in (UnsealOutcome.UNSEALED, UnsealOutcome.ALREADY):
            leader = leader or address
        if join and result.outcome is UnsealOutcome.NOT_INITIALISED:
            new.append(result)
        else:
            yield result
    for result in new:
        yield await unsealing.one(result.address, leader) if leader else result


@dataclass(frozen=True, slots=True)
class _Unsealing:
    """Shares, and how servers are reached."""

    shares: Sequence[SecretText]
    environment: Mapping[str, str]
    reset: bool

    async def one(self, address: str, leader: str = "") -> UnsealResult:
        """Unseal one server; with a `leader` it joins that one's cluster first."""
        connection = server_connection({**self.environment, "BAO_ADDR": address, "VAULT_ADDR": address})
        try:
            async with connected(connection) as client:
                if leader:
                    await _join(client, leader, connection.ca_pem)
                return await _unseal(client, address, self.shares, reset=self.reset, joined=bool(leader))
        except PkiError as error:
            return UnsealResult(address, UnsealOutcome.FAILED, str(error))


async def _join(client: VaultClient, leader: str, ca_pem: bytes | None) -> None:
    body = {"leader_api_addr": leader, "leader_ca_cert": (ca_pem or b"").decode()}
    try:
        answer: dict[str, Any] = await client.adapter().post("/v1/sys/storage/raft/join", json=body) or {}
    except VaultError as error:
        raise PkiError(
            f"it can't join the cluster of {leader} ({'; '.join(error.messages) or error}): its storage must "
            "be raft and empty, its node_id its own, and it must reach the leader and trust its certificate"
        ) from error
    if not answer.get("joined"):
        raise PkiError(f"it didn't join the cluster of {leader}; look into its log")


async def _unseal(
    client: VaultClient, address: str, shares: Sequence[SecretText], *, reset: bool, joined: bool
) -> UnsealResult:
    adapter, is_changed = client.adapter(), joined
    try:
        status: dict[str, Any] = await adapter.get("/v1/sys/seal-status") or {}
        if not status.get("initialized") and not joined:
            message = (
                "have it join a cluster (--join, and the address of a node that is unsealed), or, if its "
                "configuration has retry_join, run the same again in a few seconds; if it is to be a Vault "
                "of its own: vault-issuer pki init"
            )
            return UnsealResult(address, UnsealOutcome.NOT_INITIALISED, message)
        if not status.get("sealed"):
            return UnsealResult(address, UnsealOutcome.ALREADY)
        is_changed = is_changed or reset or bool(shares)  # from here on, also if an answer is lost
        if reset:
            await adapter.post("/v1/sys/unseal", json={"reset": True})
        for share in shares:
            status = await adapter.post("/v1/sys/unseal", json={"key": share.reveal()}) or {}
            if not status.get("sealed"):
                return UnsealResult(address, UnsealOutcome.UNSEALED)
            if not status.get("progress"):  # they are enough, and it proves them to the leader of its cluster
                return await _answered(client, address)
    except VaultBadRequest as error:
        message = (
            "Vault refuses the shares: they are of another Vault, damaged, or one that somebody gave before "
            f"was wrong ({'; '.join(error.messages)}). Begin again with --reset"
        )
        return UnsealResult(address, UnsealOutcome.FAILED, message)
    except VaultError as error:
        raise translated(error, written=is_changed) from error
    message = f"it has {status.get('progress')} of {status.get('t')}; give the others"
    return UnsealResult(address, UnsealOutcome.MORE, message)


async def _answered(client: VaultClient, address: str) -> UnsealResult:
    """Wait until the leader of a raft cluster has let a node in that has all its shares."""
    for _ in range(int(JOINING / _PAUSE)):
        status: dict[str, Any] = await client.adapter().get("/v1/sys/seal-status") or {}
        if not status.get("sealed"):
            return UnsealResult(address, UnsealOutcome.UNSEALED, "it joined the cluster")
        await asyncio.sleep(_PAUSE)
    message = "it took the shares, and the leader of its cluster doesn't let it in: look into both logs"
    return UnsealResult(address, UnsealOutcome.FAILED, message)
