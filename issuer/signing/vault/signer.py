"""Signing through Vault's or OpenBao's PKI engine, as cert-manager's own Vault issuer calls it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from issuer.signing.outcomes import Failed, IssuerBroken, NotRevoked, Retry, answered_before
from issuer.signing.reasons import SigningFailure, SigningIssuerReason
from issuer.signing.signer import Health, OwnCAs, SignedCertificate, SigningRequest
from issuer.signing.vault.failures.advice import advice, clock_warning, leases_warning, uses_warning
from issuer.signing.vault.failures.errors import Outcome, assumed_issuer, may_have_signed, outcome
from issuer.signing.vault.mount_issuers import MountIssuers
from issuer.signing.vault.parameters import parameters
from issuer.signing.vault.reasons import VaultIssuerReason, VaultRetry, VaultRevocationReason
from issuer.signing.vault.role_issuers import RoleIssuers
from issuer.vault.connection import Connection
from issuer.vault.errors import (
    InvalidConnection,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
)
from issuer.vault.login.methods import AuthMethod, StaticToken
from issuer.vault.login.tokens import LoggedIn, ignored
from issuer.vault.paths import PathError, SignPath
from issuer.vault.pki import Pki, Signed
from issuer.vault.session import VaultSession
from issuer.vault.transport import connect
from issuer.x509.certificates import Certificate, is_authority
from issuer.x509.chains.bundle import read_leaf, some
from issuer.x509.chains.chain import CLOCK_SKEW
from issuer.x509.errors import InvalidCertificate

_ENDING_SECONDS = 24 * 3600.0


class VaultSigner:
    """Signer and Revoker for one issuer: one Vault, one login, one PKI path, and maybe another for CA
    certificates.

    `path` is `spec.vault.path`, `authority` is `spec.certificateAuthority.path`. With `revokes`, `check`
    warns when Vault does not let it revoke. `logged_in` is called after each login. Raises IssuerBroken
    (InvalidPath, InvalidConnection) for settings that can't be used; sends nothing. `method` may raise
    SigningErrors of its own (a missing Secret, say): they pass through unchanged.
    """

    def __init__(
        self,
        connection: Connection,
        method: AuthMethod,
        path: str,
        authority: str | None = None,
        *,
        revokes: bool = False,
        clock: Callable[[], float] = time.monotonic,
        logged_in: LoggedIn = ignored,
    ) -> None:
        self._revokes = revokes
        try:
            self._path = SignPath.parse(path)
            authority_path = None if authority is None else SignPath.parse_authority(authority)
            _ = method.name  # reads the auth mount, so that a bad one raises here
        except PathError as error:
            raise IssuerBroken(VaultIssuerReason.INVALID_PATH, f"{error}.") from error
        try:
            client = connect(connection)
            self._left_out = some(connection.left_out())
        except InvalidConnection as error:
            raise IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.") from error
        self._connection = connection
        self._session = VaultSession(client, method, clock, logged_in)
        self._pki = Pki(client, self._path)
        self._authority = None if authority_path is None else Pki(client, authority_path)
        self._cas = {pki: MountIssuers(pki, clock) for pki in (self._pki, self._authority) if pki is not None}
        self._signing = {pki: RoleIssuers(pki, cas, self._session) for pki, cas in self._cas.items()}
        self._told_minutes = 0

    @property
    def path(self) -> SignPath:
        """The PKI path that signs, CA certificates aside."""
        return self._path

    def login_ends_in(self) -> float | None:
        """Return the seconds until the token ends without renewal; None if there is none, or
        it never ends."""
        return self._session.tokens.ends_in()

    async def check(self) -> Health:
        """Read the CA chains, log in, and prove the right to sign on each path. Raises Retry or
        IssuerBroken."""
        ca_pem = await self._check(self._pki)
        authority_pem = None if self._authority is None else await self._check(self._authority)
        unlisted = dict.fromkeys(one.warning for one in self._cas.values() if one.warning is not None)
        leases = dict.fromkeys(leases_warning(pki.path) for pki, one in self._signing.items() if one.leases)
        warnings = (*self._warnings(), *leases, *await self._revocation_warnings(), *unlisted)
        assumed = assumed_issuer(self._path) if self._signing[self._pki].assumed else ""
        again_in, clock = self._session.tokens.renew_in(), self._pki.clock
        return Health(ca_pem, warnings, again_in, authority_pem, assumed, clock=clock)

    async def _check(self, pki: Pki) -> str:
        try:
            # In this order: the chain proves a PKI engine before the probe writes to its path.
            ca_pem = await self._signing[pki].read()
            await self._session.call(pki.probe)
        except VaultError as error:
            raise outcome(error, pki.path, self._connection) from error
        return ca_pem

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        """Sign one request, once. Raises Retry, Failed, IssuerUnavailable, IssuerBroken or BadAnswer."""
        pki = self._authority if request.is_ca else self._pki
        if pki is None:
            raise Failed(
                SigningFailure.CA_REQUESTS_NOT_ALLOWED,
                f"The request asks for a CA certificate, and Vault signs none at {self._path}. "
                "Leave isCA out, or give the issuer a spec.certificateAuthority.",
            )
        chosen, sent = pki, parameters(request, pki.path.mode)

        async def sign(token: str) -> Signed:
            try:
                return await chosen.sign(token, request.csr_pem, sent, request.before_sending)
            except VaultError as error:
                unknown = may_have_signed(error, self._connection)
                if unknown is None:
                    raise
                raise unknown from error

        try:
            signed = await self._session.call(sign)
        except (VaultForbidden, UnexpectedAnswer) as error:
            raise await self._refused(error, pki) from error
        except VaultError as error:
            raise outcome(error, pki.path, self._connection) from error
        self._signing[pki].leases = signed.leased
        cas = "".join(f"{ca.strip()}\n" for ca in signed.chain_pem)
        return SignedCertificate(f"{signed.leaf_pem.strip()}\n", cas, signed.serial.lower())

    async def knows(self, cas: Sequence[Certificate], *, is_ca: bool) -> bool:
        """Return True if all of these CAs are issuers of the mount that signs. Raises Retry, IssuerBroken."""
        pki = self._authority if is_ca and self._authority is not None else self._pki
        try:
            return await self._cas[pki].hold(cas)
        except VaultError as error:
            raise outcome(error, pki.path, self._connection) from error

    async def own_cas(self) -> OwnCAs:
        """Return all issuers of the mounts that sign. Raises Retry, IssuerUnavailable or IssuerBroken."""
        found = []
        for pki, issuers in self._cas.items():
            try:
                found.append(await issuers.own_cas())
            except VaultError as error:
                raise outcome(error, pki.path, self._connection) from error
        problems = dict.fromkeys(one.problem for one in found if one.problem)
        return OwnCAs("".join(one.pem for one in found), "; ".join(problems))

    def advice(self, codes: frozenset[str]) -> str:
        """Return advice on the Vault role's fields that cause differences with these codes."""
        return advice(codes)

    async def revoke(self, certificate_pem: str, *, is_ca: bool | None = None) -> None:
        """Revoke one certificate by its PEM, at the mount that signed it. Raises Retry, NotRevoked or
        IssuerBroken.

        Another mount that happens to hold a copy of the same CA would accept it, too, and change nothing.
        """
        if is_ca is None:
            is_ca = _says_ca(certificate_pem)
        pki = self._authority if is_ca and self._authority is not None else self._pki

        async def revoke(token: str) -> None:
            await pki.revoke(token, certificate_pem)

        try:
            await self._session.call(revoke)
        except VaultForbidden as error:
            raise NotRevoked(
                VaultRevocationReason.REVOCATION_NOT_PERMITTED,
                'Vault does not let this issuer revoke: add the capability "update" on '
                f'"{pki.path.mount}/revoke" to its policy, or revoke by hand. {error}.',
            ) from error
        except VaultBadRequest as error:
            raise NotRevoked(
                VaultRevocationReason.REVOCATION_REFUSED, f"Vault did not revoke the certificate: {error}."
            ) from error
        except VaultError as error:
            raise outcome(error, pki.path, self._connection) from error

    async def close(self) -> None:
        """Close the connections.

        Our token is not revoked: under a role with generate_lease=true Vault would revoke with it every
        certificate that was issued with it.
        """
        await self._session.close()

    async def _refused(self, error: VaultForbidden | UnexpectedAnswer, pki: Pki) -> Outcome:
        """Return the outcome of a refusal to sign that is not of the CSR: the path's own, or this request's
        if the path admits an empty one.

        A policy can limit parameters (allowed_parameters), and a firewall before Vault can take names for an
        attack. A requester whose names they refuse must not be able to break the issuer for everybody else.
        """
        try:
            await self._session.call(pki.probe)
        except VaultError as again:
            return outcome(again, pki.path, self._connection)
        if isinstance(error, UnexpectedAnswer):
            return answered_before(VaultRetry.VAULT_UNAVAILABLE, error, self._connection.server)
        return Retry(
            VaultRetry.PERMISSION_DENIED,
            f'Vault refuses this request at "{pki.path}" though its policy allows the path: look for '
            f"allowed_parameters, denied_parameters or required_parameters there. {error}",
        )

    async def _revocation_warnings(self) -> tuple[str, ...]:
        """Return warnings for paths where Vault says that it would refuse; a login that may not ask gives
        none."""
        if not self._revokes:
            return ()
        pkis = [self._pki, *([] if self._authority is None else [self._authority])]
        found = [
            'Vault does not let this issuer revoke, as spec.revocation asks: add the capability "update" on '
            f'"{pki.path.mount}/revoke" to its policy. Until then revocations are abandoned.'
            for pki in pkis
            if not await self._may_revoke(pki)
        ]
        return tuple(dict.fromkeys(found))  # both paths may be of one mount

    async def _may_revoke(self, pki: Pki) -> bool:
        """Return Vault's answer, or True if it gives none."""
        try:
            # Not by the session: a refusal here is no reason for a new login.
            return await pki.may_revoke(await self._session.tokens.get())
        except VaultError:
            return True

    def _warnings(self) -> tuple[str, ...]:
        warnings = []
        if self._connection.url().scheme == "http":
            warnings.append("Vault is addressed by http: tokens travel unencrypted. Use https.")
        elif ending := self._connection.bundle_warning(datetime.now(UTC)):
            warnings.append(ending)
        if self._left_out:
            warnings.append(f"Left out of the CA bundle for Vault: {self._left_out}.")
        tokens = self._session.tokens
        ends_in, token = tokens.ends_in(), tokens.token
        if self._pki.clock is not None and abs(self._pki.clock) > CLOCK_SKEW:
            warnings.append(clock_warning(self._minutes(self._pki.clock)))
        if token is None:
            return tuple(warnings)
        static = isinstance(tokens.method, StaticToken)
        if static and not token.renewable and ends_in is not None and ends_in < _ENDING_SECONDS:
            warnings.append(
                "The Vault token expires within a day and can't be renewed: put a new one in its Secret."
            )
        if token.uses:
            warnings.append(uses_warning(token.uses, static=static))
        return tuple(warnings)

    def _minutes(self, clock: timedelta) -> int:
        """Return a difference in minutes, as it was told before if it is about that: each text is a write."""
        minutes = round(clock / timedelta(minutes=1))
        if abs(minutes - self._told_minutes) > 1:
            self._told_minutes = minutes
        return self._told_minutes


def _says_ca(certificate_pem: str) -> bool:
    """Return True if the certificate is a CA's; False if it can't be read."""
    try:
        return is_authority(read_leaf(certificate_pem))
    except InvalidCertificate:
        return False
