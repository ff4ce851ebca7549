"""The one login that is left after the first hour, and the end of the root token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from issuer.pki.errors import PkiError
from issuer.pki.file.model import PkiFile
from issuer.pki.plan.pruning import ADMIN_POLICY
from issuer.pki.resources.policies import rule_text
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.vault.errors import VaultBadRequest

LIFE: Final = "24h"
MADE_AS: Final = "pki-init-admin"
"""Display name that the login is made with; Vault puts `token-` before it."""
_ALL: Final = ("create", "read", "update", "patch", "delete", "list")
_SUDO: Final = (*_ALL, "sudo")
_RULES: Final = {
    "auth/*": _SUDO,  # logins and their roles; tokens by accessor
    "sys/auth": ("read", "list"),
    "sys/auth/*": _SUDO,
    "sys/audit": ("read", "list", "sudo"),
    "sys/audit/*": _SUDO,
    "sys/mounts": ("read", "list"),
    "sys/mounts/*": _SUDO,
    "sys/policies/acl": ("list",),
    "sys/policies/acl/*": _ALL,
    "sys/capabilities": ("update",),
    "sys/capabilities-accessor": ("update",),
    "sys/storage/raft/*": _SUDO,  # peers join, and snapshots
    "sys/seal": ("update", "sudo"),
}
_ROOTS_LOOKED_AT: Final = 2_000
"""Accessors that are looked up for other root tokens: a new Vault has two."""


@dataclass(frozen=True, slots=True)
class AdminLogin:
    """A token that works, its accessor, and until when it does (RFC 3339)."""

    token: SecretText
    accessor: str
    expires: str


def admin_policy(file: PkiFile) -> str:
    """Return the policy in HCL: logins, policies, mounts, audit, and everything on the file's PKI mounts.

    Whoever may write policies may do everything: this one prevents accidents, not intent.
    """
    rules = {**_RULES, **{f"{path}/*": _SUDO for _, path, _ in file.all_mounts()}}
    return "".join(rule_text(path, verbs) for path, verbs in rules.items())


async def write_policy(calls: VaultCalls, file: PkiFile) -> None:
    """Write the policy of the admin login. Raises PkiError."""
    try:
        await calls.write(f"sys/policies/acl/{ADMIN_POLICY}", {"policy": admin_policy(file)}, "PUT")
    except VaultBadRequest as error:
        raise PkiError(f"Vault takes no policy for the admin login: {'; '.join(error.messages)}") from error


async def new_admin(calls: VaultCalls) -> SecretText:
    """Make the login: an orphan, so that it outlives the root token, that ends in a day and isn't renewed.

    Raises PkiError.
    """
    body = {
        "policies": [ADMIN_POLICY],
        "ttl": LIFE,
        "explicit_max_ttl": LIFE,
        "renewable": False,
        "display_name": MADE_AS,
        "meta": {"purpose": "vault-issuer pki init"},
    }
    try:
        token = await calls.new_token("auth/token/create-orphan", body)
    except VaultBadRequest as error:
        raise PkiError(f"Vault makes no admin login: {'; '.join(error.messages)}") from error
    if not token:
        raise PkiError("Vault's answer has no token for the admin login")
    return token


async def proven(calls: VaultCalls, token: SecretText) -> AdminLogin:
    """Look the login up by itself and read what only its policy allows. Raises PkiError."""
    admin = calls.as_token(token)
    found = (await admin.read("auth/token/lookup-self")).data or {}
    policy = await admin.read(f"sys/policies/acl/{ADMIN_POLICY}")
    wrong = [
        what
        for is_so, what in (
            (ADMIN_POLICY in (found.get("policies") or ()), f"it lacks the policy {ADMIN_POLICY}"),
            (found.get("orphan") is True, "it isn't an orphan, and would end with the root token"),
            (bool(found.get("expire_time")), "it never ends"),
            (policy.data is not None, f"it may not read its policy ({policy.refused or 'not there'})"),
        )
        if not is_so
    ]
    if wrong:
        raise PkiError(f"The admin login doesn't work: {'; '.join(wrong)}")
    return AdminLogin(token, str(found.get("accessor", "")), str(found["expire_time"]))


async def accessor_of(calls: VaultCalls) -> str:
    """Return the accessor of the token of these calls; raise PkiError unless it is a root token."""
    read = await calls.read("auth/token/lookup-self")
    if read.data is None:
        raise PkiError("Vault refuses the root token: it is wrong, or revoked already")
    if "root" not in (read.data.get("policies") or ()):
        raise PkiError("The token is no root token; make one by: bao operator generate-root")
    return str(read.data.get("accessor", ""))


async def other_roots(calls: VaultCalls, own: str) -> list[str]:
    """Return the accessors of root tokens but for `own`: of earlier runs that were interrupted, or kept."""
    listed = (await calls.read("auth/token/accessors/")).data or {}
    found = []
    for accessor in [str(one) for one in listed.get("keys") or () if one != own][:_ROOTS_LOOKED_AT]:
        data = await _looked_up(calls, accessor)
        if "root" in (data.get("policies") or ()):
            found.append(accessor)
    return found


async def _looked_up(calls: VaultCalls, accessor: str) -> dict[str, Any]:
    try:
        return await calls.write("auth/token/lookup-accessor", {"accessor": accessor})
    except (VaultBadRequest, PkiError):  # ended meanwhile
        return {}


async def revoked(calls: VaultCalls) -> str:
    """Revoke the token of these calls, and return "" once Vault refuses it, or why it may live on."""
    why = ""
    for _ in _tries():
        try:
            await calls.write("auth/token/revoke-self")
        except (PkiError, VaultBadRequest, OSError) as error:
            why = str(error)
        try:
            read = await calls.read("auth/token/lookup-self")
        except (PkiError, OSError) as error:
            why = str(error)
            continue
        if read.refused:
            return ""
        why = why or "Vault still takes it after it was revoked"
    return why


def _tries() -> Iterator[int]:
    yield from range(3)
