"""Roots of CAs that a mount no longer has: nothing needs them any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509

from issuer.vault.errors import VaultError
from issuer.vault.pki import Pki
from issuer.x509.chains.links import signed_by

_MOST: Final = 100
"""Issuers of a mount that are read, a call each; of more all roots are kept."""


async def unneeded_roots(
    pki: Pki, roots: Sequence[x509.Certificate], current: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Return those of the old `roots` in which no issuer of the mount ends; `current` are the CAs in use.

    The owner of a CA removes it from the mount once its last certificate has ended, or because nobody is to
    trust it. None is returned if the issuers can't be read, or end in a CA that isn't known.
    """
    try:
        found = await pki.issuers()
        if not 0 < len(found) <= _MOST:
            return ()
        mount = [
            x509.load_pem_x509_certificate((await pki.issuer_certificate(one)).encode()) for one in found
        ]
    except (VaultError, ValueError):
        return ()
    known = [*mount, *current, *roots]
    needed = list(mount)
    for ca in needed:  # grows: each with those that issued it
        above = [one for one in known if signed_by(ca, one)]
        if not above:
            return ()
        needed += [one for one in above if one not in needed]
    return tuple(one for one in roots if one not in needed)
