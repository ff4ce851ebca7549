"""Logins of a Job in a cluster: a ServiceAccount's token, or a wrapped token that can be used once.

Both give a token that is revoked at the end, and that may not write policies or logins: whoever may is root,
and what a Job applies comes from Git.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from issuer.manifests.errors import BadInput
from issuer.pki.ending import to_its_end
from issuer.pki.errors import NotPermitted, PkiError, VaultNotUsable
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls, translated
from issuer.pki.server.state import check_state
from issuer.pki.server.warnings import WarningFilter
from issuer.vault.errors import LoginRefused, VaultBadRequest, VaultError
from issuer.vault.login.methods import Kubernetes
from issuer.vault.transport import VaultClient

_POLL_SECONDS: Final = 5.0
_MAX_TOKEN: Final = 64 * 1024
_WORTH_ROOT: Final = ("sys/policies/acl/any", "sys/policy/any", "sys/auth/any", "auth/token/create-orphan")
_WRITES: Final = frozenset({"create", "update", "patch", "sudo", "root"})

Progress = Callable[[str], None]
Sleep = Callable[[float], Awaitable[object]]


class JobLogin(Protocol):
    """One way in. `repeats` is True if a refused login may be tried again, as the role may come later."""

    @property
    def repeats(self) -> bool:
        """True unless a refusal is final."""
        ...

    async def log_in(self, client: VaultClient) -> SecretText:
        """Return a token. Raises NotPermitted, VaultNotUsable, BadInput."""
        ...


@dataclass(frozen=True, slots=True)
class KubernetesJobLogin:
    """Kubernetes auth with the token of a file, which kubelet renews."""

    role: str
    mount: str
    file: Path
    repeats: bool = True

    async def log_in(self, client: VaultClient) -> SecretText:
        """Log in."""

        async def jwt() -> str:
            return _content(self.file)

        try:
            return SecretText((await Kubernetes(self.role, jwt, self.mount).login(client)).value)
        except LoginRefused as error:
            raise NotPermitted(str(error)) from error
        except VaultError as error:
            raise translated(error) from error


@dataclass(frozen=True, slots=True)
class WrappedJobLogin:
    """A response-wrapping token in a file: it is unwrapped once, and is worth nothing afterwards."""

    file: Path
    repeats: bool = False

    async def log_in(self, client: VaultClient) -> SecretText:
        """Unwrap the token. That it is used up, or was somebody else's, is told by Vault alone."""
        wrapped = _content(self.file)
        try:
            answer = await client.adapter(wrapped).post("/v1/sys/wrapping/unwrap", json={})
        except VaultBadRequest as error:
            raise NotPermitted(
                f"{self.file} holds a wrapped token that has expired or was unwrapped before. If this Job "
                "has not unwrapped it, somebody else has: revoke what it held by its accessor. Wrap another"
            ) from error
        except VaultError as error:
            raise translated(error) from error
        token = ((answer or {}).get("auth") or {}).get("client_token")
        if not isinstance(token, str) or not token:
            raise PkiError(
                f"{self.file} holds a wrapped answer without a token; wrap one of auth/token/create"
            )
        return SecretText(token)


@asynccontextmanager
async def job_calls(
    client: VaultClient,
    login: JobLogin,
    warnings: WarningFilter,
    wait: float,
    told: Progress,
) -> AsyncIterator[VaultCalls]:
    """Wait up to `wait` seconds until Vault can be used and takes the login; revoke its token in the end.

    Raises NotPermitted for a token that is worth as much as root, VaultNotUsable, PkiError.
    """
    calls = VaultCalls(client, await logged_in(client, login, wait, told), warnings)
    try:
        await _check_narrow(calls)
        yield calls
    finally:
        await to_its_end(_revoked(calls, told), lambda: None)


async def _revoked(calls: VaultCalls, told: Progress) -> None:
    try:
        await calls.write("auth/token/revoke-self")
    except (PkiError, VaultBadRequest) as error:
        told(f"The token of this login was not revoked, and ends by its TTL: {error}")


async def logged_in(
    client: VaultClient, login: JobLogin, wait: float, told: Progress, sleep: Sleep = asyncio.sleep
) -> SecretText:
    """Return the token of the login, tried again for `wait` seconds, and told why whenever that changes."""
    left, shown = wait, ""
    while True:
        try:
            await check_state(client)
            return await login.log_in(client)
        except (VaultNotUsable, NotPermitted) as error:
            is_final = isinstance(error, NotPermitted) and not login.repeats
            if is_final or left <= 0:
                raise
            if str(error) != shown:
                shown = str(error)
                told(f"Waiting: {shown}")
        await sleep(min(_POLL_SECONDS, left))
        left -= _POLL_SECONDS


async def _check_narrow(calls: VaultCalls) -> None:
    try:
        answer = await calls.write("sys/capabilities-self", {"paths": list(_WORTH_ROOT)})
    except (NotPermitted, VaultBadRequest) as error:
        raise NotPermitted(
            "The login may not ask what it may do (sys/capabilities-self), which every token with the policy "
            f"default may: {error}"
        ) from error
    open_paths = [path for path in _WORTH_ROOT if _WRITES & set(answer.get(path) or ())]
    if open_paths:
        raise NotPermitted(
            f"This login may write {', '.join(open_paths)}, so who writes the file that is applied here is "
            "as good as root. Give its role the policy of: vault-issuer pki rights apply --part automation"
        )


def _content(file: Path) -> str:
    try:
        with file.open(encoding="ascii") as opened:
            text = opened.read(_MAX_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} can't be read as a token: {error}") from error
    if not text or not text.isprintable() or " " in text:
        raise BadInput(f"{file} holds no token")
    return text
