"""Calls that another applier may have made first."""

from __future__ import annotations

from collections.abc import Awaitable

from issuer.pki.authorities.calls import AuthorityCalls
from issuer.pki.authorities.identity import AuthorityProgress, CAIdentity
from issuer.pki.errors import PkiError
from issuer.vault.errors import VaultBadRequest


async def attempt(ours: AuthorityCalls, call: Awaitable[None]) -> None:
    """Await a call that ends the making; if Vault refuses it, another applier's result counts.

    Raises PkiError if there is none.
    """
    try:
        await call
    except VaultBadRequest as error:
        if (await ours.identity()).progress is not AuthorityProgress.DONE:
            raise refused(ours, error) from error


async def request_for(ours: AuthorityCalls, identity: CAIdentity) -> tuple[str, bool]:
    """Return a request, PEM, and True if its key may have been signed by an earlier run or another applier.

    Raises PkiError if Vault makes no key.
    """
    if identity.progress is AuthorityProgress.ABSENT:
        try:
            return await ours.new_request(), False
        except VaultBadRequest as error:
            identity = await ours.identity()
            if not identity.key_id:
                raise refused(ours, error) from error
    return await ours.request_of_key(identity.key_id), True


def refused(ours: AuthorityCalls, error: VaultBadRequest) -> PkiError:
    """Return the error for a call that Vault refused for a reason of its own."""
    return PkiError(f"Vault refuses the CA {ours.name} in mount {ours.mount}: {error}")
