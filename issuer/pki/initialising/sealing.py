"""Calls to a server that is not initialised or is sealed. A lost answer of init is told from a refused one.

Source: https://openbao.org/api-docs/system/init/ (one call, whose answer is never given again).
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from issuer.manifests.errors import BadInput
from issuer.pki.errors import PkiError, VaultNotUsable
from issuer.pki.initialising.pgp import PgpKey
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import translated
from issuer.vault.errors import Unreachable, VaultBadRequest, VaultError
from issuer.vault.transport import VaultClient

INIT_SECONDS: Final = 600.0
"""Patience with init: an answer that is given up is lost with the shares in it."""
_POLL_SECONDS: Final = 0.25
_ACTIVE_POLLS: Final = 480
"""Two minutes: an election of raft takes seconds, on a slow disk more."""
EMPTY_IT: Final = (
    "It holds nothing yet, and nobody can unseal it: stop it, empty its storage, start it, and run the same "
    "again"
)
"""Advice for a server whose shares are lost, without its full stop."""

Told = Callable[[str], None]
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ShareWish:
    """Number of shares, how many of them unseal, and the keys that encrypt them (none: no encryption)."""

    shares: int
    threshold: int
    keys: tuple[PgpKey, ...] = ()

    def check(self, *, one_share: bool) -> None:
        """Raise BadInput for numbers that Vault refuses, and for one share that nobody agreed to."""
        if self.keys and len(self.keys) != self.shares:
            raise BadInput(f"{len(self.keys)} PGP keys are given for {self.shares} shares; one each")
        if self.shares == 1 and not one_share:
            raise BadInput(
                "One share alone lets one person, or one thief, unseal this Vault; take --shares 3 "
                "--threshold 2, or agree by --one-share"
            )
        if not 1 <= self.threshold <= self.shares <= 255:
            raise BadInput(f"{self.threshold} of {self.shares} shares is no choice that Vault has")
        if self.threshold == 1 and self.shares > 1:
            raise BadInput("Vault takes a threshold of 1 for one share alone; raise --threshold")

    def body(self, *, recovery: bool) -> dict[str, Any]:
        """Return the body of init. A server that unseals itself gives recovery keys in their place."""
        kind = "recovery" if recovery else "secret"
        body: dict[str, Any] = {f"{kind}_shares": self.shares, f"{kind}_threshold": self.threshold}
        if self.keys:
            body["recovery_pgp_keys" if recovery else "pgp_keys"] = [one.as_base64 for one in self.keys]
        return body

    @property
    def names(self) -> list[str]:
        """Names of the files of the shares, in order."""
        if self.keys:
            return [f"share-{number}-{key.holder}.gpg" for number, key in enumerate(self.keys, 1)]
        return [f"share-{number}" for number in range(1, self.shares + 1)]


@dataclass(frozen=True, slots=True)
class InitAnswer:
    """The answer of init: shares as hexadecimal text, or encrypted, and the root token."""

    shares: tuple[SecretText, ...]
    root: SecretText

    def contents(self, wish: ShareWish) -> list[bytes]:
        """Return what goes into the files of the shares."""
        if wish.keys:  # PGP messages: `gpg --decrypt` gives a share as text
            return [base64.b64decode(one.reveal()) for one in self.shares]
        return [f"{one.reveal()}\n".encode() for one in self.shares]


async def seal_status(client: VaultClient, *, written: bool = True) -> dict[str, Any]:
    """Return `sys/seal-status`. Raises VaultNotUsable, which says by `written` if anything was changed."""
    try:
        status = await client.adapter().get("/v1/sys/seal-status")
    except VaultError as error:
        raise translated(error, written=written) from error
    if not isinstance(status, dict) or "initialized" not in status:
        raise VaultNotUsable("The address answers, but not as Vault does; check VAULT_ADDR")
    return status


async def initialise(client: VaultClient, wish: ShareWish, *, recovery: bool) -> InitAnswer:
    """Initialise the server. Raises BadInput where it refuses, and PkiError where its answer was lost."""
    try:
        # POST: aiohttp sends a PUT again where a kept connection ends, and the second would be refused.
        answer = await client.adapter().post("/v1/sys/init", json=wish.body(recovery=recovery))
    except VaultBadRequest as error:
        raise BadInput(f"Vault refuses to be initialised: {'; '.join(error.messages)}") from error
    except VaultError as error:
        if isinstance(error, Unreachable) and not error.sent:
            raise translated(error, written=False) from error
        raise await _lost(client, error) from error
    # OpenBao gives both forms of each share in `keys` and `keys_base64`, and recovery keys likewise.
    found = answer or {}
    name = "recovery_keys" if recovery else "keys"
    shares = found.get(f"{name}_base64" if wish.keys else name) or ()
    root = found.get("root_token")
    if len(shares) != wish.shares or not isinstance(root, str):
        raise PkiError(f"Vault's answer to init has {len(shares)} of {wish.shares} shares. {EMPTY_IT}")
    return InitAnswer(tuple(SecretText(str(one)) for one in shares), SecretText(root))


async def _lost(client: VaultClient, error: VaultError) -> PkiError:
    lost = f"The answer of init was lost ({error})"
    try:
        status = await seal_status(client)
    except PkiError:
        return PkiError(
            f"{lost}, and the server doesn't answer now. Ask it by: bao operator init -status. If it is "
            f"initialised, the shares and the root token are lost. {EMPTY_IT}"
        )
    if status["initialized"]:
        return PkiError(f"{lost}, and the server is initialised: the shares are lost with it. {EMPTY_IT}")
    return PkiError(f"{lost}, and the server is not initialised; run the same again")


async def unseal_with(client: VaultClient, shares: Sequence[SecretText]) -> None:
    """Send shares until the server is unsealed. Raises PkiError."""
    try:
        for share in shares:
            status = await client.adapter().post("/v1/sys/unseal", json={"key": share.reveal()}) or {}
            if not status.get("sealed"):
                return
    except VaultError as error:
        raise translated(error) from error
    raise PkiError("The server takes its own shares and stays sealed; look at its log")


async def wait_unsealed(client: VaultClient, told: Told, sleep: Sleep) -> None:
    """Wait until the holders of the shares have unsealed the server, and tell how far they are."""
    shown = ""
    while True:
        try:
            status = await seal_status(client)
            if not status["sealed"]:
                return
            state = f"{status.get('progress')} of {status.get('t')} shares given"
        except VaultNotUsable as error:
            state = str(error)
        if state != shown:
            told(state)
            shown = state
        await sleep(_POLL_SECONDS)


async def wait_active(client: VaultClient, sleep: Sleep) -> None:
    """Wait until the unsealed server is the active node. Raises VaultNotUsable after two minutes."""
    why = ""
    for _ in range(_ACTIVE_POLLS):
        try:
            await client.adapter().get("/v1/sys/health")
        except VaultError as error:  # 429 for a standby, which every node is before its election
            why = str(error)
        else:
            return
        await sleep(_POLL_SECONDS)
    raise VaultNotUsable(f"The server is unsealed and doesn't become active: {why}")
