"""The connection of one command about machines, named by the environment as for `pki`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.login.ticket import ServerTrust
from issuer.enrolment.giving import GivenServer
from issuer.pki.errors import PkiError
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.connecting import connected, connection_from, token_from
from issuer.pki.server.state import check_state
from issuer.vault.errors import UntrustedTLS, VaultError
from issuer.vault.paths import Mode, SignPath
from issuer.vault.pki import Pki
from issuer.vault.transport import VaultClient
from issuer.x509.certificates import decoded, write_certificates
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.chains.chain import signing_ca
from issuer.x509.errors import ChainError, InvalidCertificate

MAX_TICKET_CAS: Final = 24 << 10
"""Bytes of PEM that go into a ticket, about 15 CAs: a person pastes it, and `agent join` reads 64 KiB."""


@dataclass(frozen=True, slots=True)
class EnrolmentSession:
    """A server that can be used, and an administrator's token."""

    client: VaultClient
    token: SecretText = field(repr=False)
    calls: VaultCalls

    async def ca_pem(self, mount: str) -> str:
        """Return the CA chain that a PKI mount signs with. Raises PkiError."""
        try:
            return await Pki(self.client, SignPath(mount, None, Mode.SIGN, "unused")).ca_chain()
        except VaultError as error:
            raise PkiError(f'"{mount}" is no PKI mount with a CA: {error}') from error

    async def signing_ca_pem(self, mount: str) -> str:
        """Return the CA that a PKI mount signs with, without those above it. Raises PkiError."""
        try:
            return write_certificates(read_bundle(await self.ca_pem(mount)).certificates[:1])
        except InvalidCertificate as error:
            raise PkiError(f'The CAs of "{mount}" can\'t be used: {error}') from error

    async def server(self, mount: str) -> GivenServer:
        """Return the server as a machine reaches it. Raises PkiError."""
        connection = self.client.connection
        try:
            cas = read_bundle(await self.ca_pem(mount)).certificates
            top = decoded(signing_ca(cas, datetime.now(UTC)).ways[0].cas[-1])
        except (InvalidCertificate, ChainError) as error:
            raise PkiError(f'The CAs of "{mount}" can\'t be used: {error}') from error
        if top is None:
            raise PkiError(f"The root of \"{mount}\" can't be read by this machine's library")
        trust, ca = await self._trust(top)
        return GivenServer(
            connection.server,
            connection.server_name or "",
            connection.namespace or "",
            top.fingerprint(hashes.SHA256()).hex(":").upper(),
            trust,
            ca,
        )

    async def _trust(self, root: x509.Certificate) -> tuple[ServerTrust, str]:
        """Return how a machine trusts the server, and the CAs of the ticket. Raises PkiError for too many."""
        given = (self.client.connection.ca_pem or b"").decode("ascii", "replace")
        if not given:
            return ServerTrust.SYSTEM, ""
        with suppress(InvalidCertificate):  # of a whole system's CAs, which are refused below
            trusted = read_bundle(given).certificates
            if any(decoded(one) == root for one in trusted) and (
                len(trusted) == 1 or await self._is_served_below(root)
            ):
                return ServerTrust.ROOT, ""
        if len(given) > MAX_TICKET_CAS:
            raise PkiError(
                f"{len(given) >> 10} KiB of CAs are trusted (VAULT_CACERT, VAULT_CAPATH), too many for a "
                "ticket. Nothing was done; name by VAULT_CACERT the file of the one that signed the server's "
                "certificate"
            )
        return ServerTrust.GIVEN, given

    async def _is_served_below(self, root: x509.Certificate) -> bool:
        """Return True if the server's TLS is verified by a root alone."""
        pem = root.public_bytes(Encoding.PEM)
        async with connected(replace(self.client.connection, ca_pem=pem)) as client:
            try:
                await client.adapter().get("/v1/sys/seal-status")
            except UntrustedTLS:
                return False
        return True


@asynccontextmanager
async def opened_session(environment: Mapping[str, str]) -> AsyncIterator[EnrolmentSession]:
    """Connect, and check the server's state. Raises BadInput, PkiError."""
    connection, token = connection_from(environment), token_from(environment)
    async with connected(connection) as client:
        await check_state(client)
        yield EnrolmentSession(client, token, VaultCalls(client, token))
