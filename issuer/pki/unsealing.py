"""Unseals one server with key shares. The shares are sent to it by TLS and go nowhere else.

Source: https://openbao.org/api-docs/system/unseal/
"""

from __future__ import annotations

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
from issuer.pki.server.connecting import connected, connection_from
from issuer.vault.errors import VaultBadRequest, VaultError
from issuer.vault.transport import VaultClient

MAX_SHARES: Final = 255
"""Most shares that Vault makes."""
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
    addresses: Sequence[str], shares: Sequence[SecretText], environment: Mapping[str, str], *, reset: bool
) -> AsyncIterator[UnsealResult]:
    """Unseal servers one after the other, and yield each one's outcome. Raises BadInput."""
    for address in addresses:
        if not address.startswith("https://"):
            raise BadInput(f"{address} is no https:// address, and shares go by TLS alone")
    for address in addresses:
        connection = connection_from({**environment, "BAO_ADDR": address, "VAULT_ADDR": address})
        try:
            async with connected(connection) as client:
                yield await _unseal(client, address, shares, reset=reset)
        except PkiError as error:
            yield UnsealResult(address, UnsealOutcome.FAILED, str(error))


async def _unseal(
    client: VaultClient, address: str, shares: Sequence[SecretText], *, reset: bool
) -> UnsealResult:
    adapter = client.adapter()
    try:
        status: dict[str, Any] = await adapter.get("/v1/sys/seal-status") or {}
        if not status.get("initialized"):
            message = "initialise the cluster, or have this node join it (bao operator raft join LEADER)"
            return UnsealResult(address, UnsealOutcome.NOT_INITIALISED, message)
        if not status.get("sealed"):
            return UnsealResult(address, UnsealOutcome.ALREADY)
        if reset:
            await adapter.post("/v1/sys/unseal", json={"reset": True})
        for share in shares:
            status = await adapter.post("/v1/sys/unseal", json={"key": share.reveal()}) or {}
            if not status.get("sealed"):
                return UnsealResult(address, UnsealOutcome.UNSEALED)
    except VaultBadRequest as error:
        message = (
            "Vault refuses the shares: they are of another Vault, damaged, or one that somebody gave before "
            f"was wrong ({'; '.join(error.messages)}). Begin again with --reset"
        )
        return UnsealResult(address, UnsealOutcome.FAILED, message)
    except VaultError as error:
        raise translated(error) from error
    message = f"it has {status.get('progress')} of {status.get('t')}; give the others"
    return UnsealResult(address, UnsealOutcome.MORE, message)
