"""The CAs of one PKI mount, so that a certificate by another CA is noticed.

Vault lists a mount's issuers and shows each one's certificate without a token. The list is read at each
check; a certificate only when an answer has an unknown CA, since a mount may have hundreds of issuers, of
which one signs. The list names serial numbers, so that few are read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Final

from issuer.signing.signer import OwnCAs
from issuer.vault.errors import ServerError, UnexpectedAnswer, VaultBadRequest, VaultForbidden, VaultNotFound
from issuer.vault.pki import Pki
from issuer.x509.certificates import MAX_CERTIFICATES, Certificate
from issuer.x509.chains.anchors import fingerprints
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.describe import fingerprint, serial_hex
from issuer.x509.errors import InvalidCertificate

MAX_READ: Final = 100
"""Most issuers whose certificate is read for one answer, and that are remembered."""
PAUSE_SECONDS: Final = 1.0
"""The least time between two readings of the list for answers with unknown CAs; calls in
between share one."""


class MountIssuers:
    """The known CAs of a mount: those of its CA chain, and those that were looked up.

    `issuer_ref` is the issuer whose chain is read; None for that of the path, or the mount's default.
    """

    def __init__(
        self,
        pki: Pki,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pki = pki
        self.issuer_ref: str | None = None
        self._clock = clock
        self._sleep = sleep
        self._served: frozenset[str] = frozenset()
        self._listed: Mapping[str, str] = {}
        self._found: dict[str, str] = {}
        self._unlisted: str | None = None
        self._certificates: dict[str, str] = {}
        # When the last reading began, and when the one began of which the answer is known.
        self._asked_at = float("-inf")
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def read(self) -> str:
        """Read the CA chain and the list of issuers; return the chain as PEM. Raises VaultError."""
        began = self._asked_at = self._clock()
        chain = await self._pki.ca_chain(self.issuer_ref)
        listed, unlisted = await self._list()
        if began >= self._read_at:  # else a later reading was faster
            self._read_at, self._served = began, fingerprints(chain)
            self._listed, self._unlisted = listed, unlisted
            # One that could not be read is tried again: a proxy may let it through by now.
            self._found = {one: what for one, what in self._found.items() if what and one in listed}
        return chain

    async def _list(self) -> tuple[Mapping[str, str], str | None]:
        """Return the mount's issuers, or a sentence on why they can't be listed. Raises VaultError for
        passing trouble."""
        try:
            return await self._pki.issuers(), None
        except (VaultBadRequest, VaultForbidden, VaultNotFound, UnexpectedAnswer) as error:
            return {}, str(error)
        except ServerError as error:
            if error.status != HTTPStatus.NOT_IMPLEMENTED:  # a proxy's answer, and no passing trouble
                raise
            return {}, str(error)

    @property
    def warning(self) -> str | None:
        """A sentence for the issuer's status if the mount's issuers can't be listed, else None."""
        mount = self._pki.path.mount
        unnamed = sum(not serial for serial in self._listed.values())
        if self._unlisted is None and unnamed <= MAX_READ:
            return None
        if self._unlisted is None:
            return (
                f'"{mount}" has {unnamed} issuers whose serial numbers Vault does not tell: {MAX_READ} of '
                "them are known, and a certificate by another one is refused"
            )
        return (
            f'The issuers of "{mount}" can\'t be listed, so only the CAs of its CA chain are known, and a '
            f'certificate by another one is refused: let LIST on "{mount}/issuers" and GET on '
            f'"{mount}/issuer/*/json" through, which need no token. {self._unlisted}.'
        )

    async def hold(self, cas: Sequence[Certificate]) -> bool:
        """Return True if the mount has all of these CAs. Raises VaultError.

        For an unknown one the list is read once more, unless that was done since this call began.
        """
        if self._knows(cas):
            return True
        asked = self._clock()
        async with self._reading:
            if self._read_at < asked and not self._knows(cas):
                await self._sleep(max(0.0, self._asked_at + PAUSE_SECONDS - self._clock()))
                await self.read()
            if not self._knows(cas):
                await self._look_up(cas)
            return self._knows(cas)

    async def own_cas(self) -> OwnCAs:
        """Return the certificates of all issuers of the mount; each is read once. Raises VaultError."""
        listed, unlisted = await self._list()
        mount = self._pki.path.mount
        if unlisted is not None:
            problem = (
                f'the issuers of "{mount}" can\'t be listed: let LIST on "{mount}/issuers" and GET on '
                f'"{mount}/issuer/*/json" through, which need no token. {unlisted}'
            )
            return OwnCAs("", problem)
        if len(listed) > MAX_CERTIFICATES:
            return OwnCAs("", f'"{mount}" has {len(listed)} issuers, and {MAX_CERTIFICATES} are the most')
        try:
            missing = await self._read_certificates(listed)
        except (VaultBadRequest, VaultForbidden, UnexpectedAnswer) as error:
            return OwnCAs("", f'an issuer of "{mount}" can\'t be read: {error}')
        if missing and missing & set((await self._list())[0]):
            return OwnCAs(
                "", f'issuers of "{mount}" are listed and can\'t be read: {", ".join(sorted(missing))}'
            )
        return OwnCAs("".join(f"{pem}\n" for pem in self._certificates.values()))

    async def _read_certificates(self, listed: Collection[str]) -> set[str]:
        """Read the certificates that aren't known; return the issuers that Vault says are not there."""
        self._certificates = {one: pem for one, pem in self._certificates.items() if one in listed}
        missing = set()
        for issuer in listed:
            if issuer not in self._certificates:
                try:
                    self._certificates[issuer] = (await self._pki.issuer_certificate(issuer)).strip()
                except VaultNotFound:
                    missing.add(issuer)
        return missing

    def _knows(self, cas: Sequence[Certificate]) -> bool:
        known = {*self._served, *self._found.values()}
        return all(fingerprint(ca) in known for ca in cas)

    async def _look_up(self, cas: Sequence[Certificate]) -> None:
        serials = {serial_hex(ca) for ca in cas if not self._knows((ca,))}
        for issuer in tuple(islice(self._to_read(serials), MAX_READ)):
            try:
                pem = await self._pki.issuer_certificate(issuer)
                self._found[issuer] = fingerprint(read_bundle(pem).certificates[0])
            except (VaultBadRequest, VaultForbidden, VaultNotFound, UnexpectedAnswer, InvalidCertificate):
                self._found[issuer] = ""  # not to be had, or no certificate: it knows nothing of this CA
        while len(self._found) > 2 * MAX_READ:
            del self._found[next(iter(self._found))]

    def _to_read(self, serials: set[str]) -> Iterator[str]:
        """Return the issuers with these serial numbers, and those whose number the list lacks."""
        unnamed = 0
        for issuer, serial in self._listed.items():
            unnamed += not serial
            wanted = serial in serials if serial else unnamed <= MAX_READ
            if wanted and issuer not in self._found:
                yield issuer
