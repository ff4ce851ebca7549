"""Tokens that live for a minute and hold one policy, to try out what the policy allows.

And why a token is refused: that it lacks a policy, or is none any more.
"""

from __future__ import annotations

from typing import Final

from issuer.pki.errors import NotPermitted, UnexpectedWarning
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.vault.errors import VaultBadRequest

SECONDS: Final = 60
"""Life of such a token. It is a batch token: it is stored nowhere, can't be renewed, and ends by itself."""
_CREATE: Final = "auth/token/create"
_OWN: Final = "auth/token/lookup-self"


async def refusal_of(calls: VaultCalls, path: str, why: str, remedy: str) -> NotPermitted:
    """Return the error for a path that a command can't do without, and that the token may not read.

    A token that has expired is refused everything, and Vault says the same of it as of one without a policy:
    so it is asked about itself, which the policy `default` allows; one without it can't be told apart.
    `remedy` is for a token that is good.
    """
    known = await calls.read(_OWN)
    if known.refused is None and known.data is not None:
        return NotPermitted(f"The token may not read {path} ({why}); {remedy}")
    return NotPermitted(
        f"Vault refuses the token everything, {_OWN} too: it has expired, was revoked, or is another "
        "server's. Log in again, set VAULT_TOKEN, and run the same again. If it is a good one without the "
        f"policy default, it may not read {path}; {remedy}"
    )


class NoTrialToken(Exception):
    """A token for a policy that may not be made; the message tells why and what would allow it."""


async def trial_token(calls: VaultCalls, policy: str, token_role: str | None) -> SecretText:
    """Make a batch token with `policy` alone, a child of the caller's; by the token role, if one is named.

    Raises NoTrialToken. Source: https://developer.hashicorp.com/vault/docs/concepts/tokens#batch-tokens
    """
    path = _CREATE if token_role is None else f"{_CREATE}/{token_role}"
    body = {
        "type": "batch",
        "policies": [policy],
        "no_default_policy": True,
        "ttl": f"{SECONDS}s",
        "meta": {"purpose": "vault-issuer pki verify"},
    }
    try:
        return await calls.new_token(path, body)
    except NotPermitted as error:
        raise NoTrialToken(f"the token may not write {path}; allow it update there") from error
    except UnexpectedWarning as error:
        raise NoTrialToken(str(error)) from error
    except VaultBadRequest as error:
        raise NoTrialToken(f"Vault makes no token for it: {'; '.join(error.messages)}. {_ADVICE}") from error


_ADVICE: Final = (
    "Name a token role whose allowed_policies have it (--token-role), or use a token that has the policy"
)
