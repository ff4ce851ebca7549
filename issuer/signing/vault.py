"""Signing through Vault's or OpenBao's PKI engine, as cert-manager's own Vault issuer calls it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypedDict

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.signing.outcomes import Failed, IssuerBroken, Retry
from issuer.signing.signer import Health, SignedCertificate, SigningRequest
from issuer.signing.vault_outcomes import Outcome, outcome
from issuer.vault.auth import AuthMethod, StaticToken
from issuer.vault.connection import Connection
from issuer.vault.errors import BadRequest, Forbidden, InvalidConnection, VaultError
from issuer.vault.paths import PathError, SignPath
from issuer.vault.pki import Pki, Signed
from issuer.vault.session import VaultSession
from issuer.vault.transport import connect

_ENDING_SECONDS = 24 * 3600.0


class VaultSigner:
    """Signer and Revoker for one issuer: one Vault, one way to log in, one PKI path.

    `path` is `spec.vault.path`. Raises IssuerBroken (InvalidPath, InvalidConnection) for what can't be used;
    sends nothing. `method` may raise SigningErrors of its own (a missing Secret, say): they pass through
    unchanged.
    """

    def __init__(
        self,
        connection: Connection,
        method: AuthMethod,
        path: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            self._path = SignPath.parse(path)
            _ = method.name  # reads the auth mount, so that a bad one is told here
        except PathError as error:
            raise IssuerBroken("InvalidPath", f"{error}.") from error
        try:
            client = connect(connection)
        except InvalidConnection as error:
            raise IssuerBroken("InvalidConnection", f"{error}.") from error
        self._connection = connection
        self._session = VaultSession(client, method, clock)
        self._pki = Pki(client, self._path)

    @property
    def path(self) -> SignPath:
        """The PKI path it signs on."""
        return self._path

    async def check(self) -> Health:
        """Read the CA chain, log in, and prove the right to sign. Raises Retry or IssuerBroken."""
        try:
            # In this order: the chain proves a PKI engine before the probe writes to its path.
            ca_pem = await self._pki.ca_chain()
            await self._session.call(self._pki.probe)
        except VaultError as error:
            raise outcome(error, self._path, self._connection) from error
        return Health(ca_pem, self._warnings(), self._session.tokens.renew_in())

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        """Sign one request, once. Raises Retry, Failed or IssuerBroken."""
        if request.is_ca:
            raise Failed(
                "CARequestsNotAllowed",
                f"The request asks for a CA certificate, and Vault signs none at {self._path}. "
                "Leave isCA out.",
            )
        names = _names(request.csr_pem)
        ttl = _ttl_seconds(request.duration)

        async def sign(token: str) -> Signed:
            return await self._pki.sign(token, request.csr_pem, ttl_seconds=ttl, **names)

        try:
            signed = await self._session.call(sign)
        except Forbidden as error:
            raise await self._refused(error) from error
        except VaultError as error:
            raise outcome(error, self._path, self._connection) from error
        cas = "".join(f"{ca.strip()}\n" for ca in signed.chain_pem)
        return SignedCertificate(f"{signed.leaf_pem.strip()}\n", cas, signed.serial.lower())

    async def revoke(self, certificate_pem: str) -> None:
        """Revoke one certificate by its PEM. Raises Retry, Failed or IssuerBroken."""

        async def revoke(token: str) -> None:
            await self._pki.revoke(token, certificate_pem)

        try:
            await self._session.call(revoke)
        except Forbidden as error:
            raise Failed(
                "RevocationNotPermitted",
                'Vault does not let this issuer revoke: add the capability "update" on '
                f'"{self._path.mount}/revoke" to its policy, or revoke by hand. {error}.',
            ) from error
        except BadRequest as error:
            raise Failed("RevocationRefused", f"Vault did not revoke the certificate: {error}.") from error
        except VaultError as error:
            raise outcome(error, self._path, self._connection) from error

    async def close(self) -> None:
        """Close the connections.

        Our token is not revoked: under a role with generate_lease=true Vault would revoke with it every
        certificate that was issued with it.
        """
        await self._session.close()

    async def _refused(self, error: Forbidden) -> Outcome:
        """What a 403 to a sign means, told by whether the path refuses an empty request in the same way.

        A policy can limit parameters (allowed_parameters). A requester whose names it refuses must not be
        able to break the issuer for everybody else.
        """
        try:
            await self._session.call(self._pki.probe)
        except VaultError as again:
            return outcome(again, self._path, self._connection)
        return Retry(
            "PermissionDenied",
            f'Vault refuses this request at "{self._path}" though its policy allows the path: look for '
            f"allowed_parameters, denied_parameters or required_parameters there. {error}",
        )

    def _warnings(self) -> tuple[str, ...]:
        warnings = []
        if self._connection.url().scheme == "http":
            warnings.append("Vault is addressed by http: tokens travel unencrypted. Use https.")
        tokens = self._session.tokens
        ends_in, token = tokens.ends_in(), tokens.token
        static = isinstance(tokens.method, StaticToken) and token is not None and not token.renewable
        if static and ends_in is not None and ends_in < _ENDING_SECONDS:
            warnings.append(
                "The Vault token ends within a day and can't be renewed: put a new one in its Secret."
            )
        return tuple(warnings)


def _ttl_seconds(duration: timedelta | None) -> int | None:
    """Whole seconds, as Vault takes them: rounded down, so that nothing lives longer than asked, and at
    least 1."""
    return None if duration is None else max(1, int(duration.total_seconds()))


class _Names(TypedDict):
    common_name: str
    alt_names: str
    ip_sans: str
    uri_sans: str | list[str]


def _names(csr_pem: str) -> _Names:
    """The parameters cert-manager fills from the CSR, for roles that don't take their names from the CSR
    itself."""
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        common_names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        sans = _alternative_names(csr)
    except ValueError as error:
        raise Failed(
            "InvalidRequest", "The certificate request can't be read, so nothing was signed."
        ) from error
    dns = sans.get_values_for_type(x509.DNSName)
    uris = sans.get_values_for_type(x509.UniformResourceIdentifier)
    if any("," in name for name in dns):
        # Vault would split it into two names that nobody asked for.
        raise Failed("InvalidRequest", "The certificate request holds a DNS name with a comma in it.")
    return {
        # The last one, as Go's x509 reads a subject with several.
        "common_name": str(common_names[-1].value) if common_names else "",
        "alt_names": ",".join(dns),
        "ip_sans": ",".join(str(ip) for ip in sans.get_values_for_type(x509.IPAddress)),
        "uri_sans": uris if any("," in uri for uri in uris) else ",".join(uris),
    }


def _alternative_names(csr: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName:
    try:
        return csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return x509.SubjectAlternativeName([])
