"""A certificate in memory: signed at the start, and renewed in the background until the program ends."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from cryptography import x509

from issuer.agent.config.model import CertificateSpec, KeySpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import CertificateSet
from issuer.agent.inprocess.contexts import ContextSettings, FollowingContext
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.certificates import CHECK_EVERY
from issuer.agent.renewal.keys import new_key
from issuer.agent.renewal.schedule import RenewalRule, due_at, pause, spread
from issuer.agent.renewal.signing import CertificateCalls, server_time
from issuer.vault.connection import Connection
from issuer.vault.errors import VaultError
from issuer.vault.login.methods import AuthMethod
from issuer.vault.paths import SignPath
from issuer.vault.session import VaultSession
from issuer.vault.transport import VaultClient
from issuer.x509.certificates import public_key
from issuer.x509.errors import InvalidCertificate

log = structlog.get_logger(__name__)
_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class WantedCertificate:
    """Certificate that is asked for. `path` is `<mount>/sign/<role>`; without `ttl` the role's life is taken.

    It is renewed when `renew_at` of its life has gone, earlier by up to `jitter` of it.
    """

    path: str
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    ttl: timedelta | None = None
    key: KeySpec = field(default_factory=KeySpec)
    renew_at: float = 0.7
    jitter: float = 0.05

    def spec(self) -> CertificateSpec:
        """Return it in the agent's form. Raises pydantic's ValidationError for what can't be a request."""
        return CertificateSpec.model_validate(
            {
                "name": "in-process",
                "folder": Path("/nonexistent").as_posix(),
                "path": self.path,
                "commonName": self.common_name,
                "dnsNames": self.dns_names,
                "ipAddresses": self.ip_addresses,
                "uris": self.uris,
                "ttl": self.ttl,
                "key": self.key.model_dump(by_alias=True),
                "renewal": {"at": self.renew_at, "jitter": self.jitter},
            }
        )


class RenewingCertificate:
    """A certificate that renews itself; made by `renewing_certificate` and `renewing_in_thread`."""

    def __init__(self, session: VaultSession, wanted: WantedCertificate, clock: ServerClock) -> None:
        self._spec = wanted.spec()
        self._calls = CertificateCalls(session, SignPath.parse(wanted.path))
        self._session = session
        self._rule = RenewalRule(wanted.renew_at, wanted.jitter, (), UTC)
        self._clock = clock
        self._contexts: list[FollowingContext] = []
        self._made: CertificateSet | None = None
        self._serial = ""
        self._signed_at = datetime.now(UTC)
        self._signer = ""
        self._sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.last_error: Exception | None = None
        """The failure of the last try to renew, None if it succeeded; the old one is used meanwhile."""
        self.on_renewed: Callable[[x509.Certificate], None] = lambda _: None
        """Called with each new certificate, in the thread that renews."""

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate that new connections present."""
        return self._set.leaf

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """The roots that are trusted: the CA's, and earlier ones of it that have not expired."""
        return self._set.roots

    @property
    def renew_at(self) -> datetime:
        """The time of the next renewal."""
        leaf = self._set.leaf
        begin = max(leaf.not_valid_before_utc, self._signed_at)  # CAs backdate
        share = spread(socket.gethostname(), str(self._spec.path))
        return due_at(begin, leaf.not_valid_after_utc, self._rule, share, self._clock.now()).at

    def server_context(
        self,
        *,
        client_auth: bool = False,
        configure: Callable[[ssl.SSLContext], None] | None = None,
    ) -> FollowingContext:
        """Return a context for servers. With `client_auth` clients need a certificate of the same CA."""
        return self._context(ContextSettings(True, client_auth, configure or _unchanged))

    def client_context(
        self, *, configure: Callable[[ssl.SSLContext], None] | None = None
    ) -> FollowingContext:
        """Return a context for clients, which trusts the CA's roots alone and presents the certificate."""
        return self._context(ContextSettings(False, False, configure or _unchanged))

    async def renew(self) -> None:
        """Sign a new certificate now. Raises VaultError and AgentError; the old one stays in use then."""
        now = self._clock.now()
        fresh = await self._calls.sign(self._spec, new_key(self._spec.key), now)
        old = () if self._made is None else self._made.roots
        kept = tuple(one for one in old if one not in fresh.made.roots and one.not_valid_after_utc > now)
        self._made = replace(fresh.made, roots=(*fresh.made.roots, *kept))
        self._serial, self._signed_at = fresh.serial, now
        self._signer = await self._signing_key()
        self.last_error = None
        made = self._made
        calls: list[Callable[[], None]] = [partial(one.follow, made) for one in self._contexts]
        calls.append(partial(self.on_renewed, made.leaf))
        for call in calls:
            try:
                call()
            except Exception as error:  # the program's own, as `configure`: it must end no renewal
                self.last_error = error
                log.exception("the program's own function failed after a renewal", serial=self._serial)

    async def keep(self) -> None:
        """Renew again and again, until cancelled. Never raises but CancelledError."""
        failures = 0
        while True:
            await self._sleep(self._wait(failures))
            try:
                if not failures and self._clock.now() < self.renew_at and not await self._is_outdated():
                    continue
                await self.renew()
                failures = 0
            except Exception as error:  # of whatever kind: a certificate that isn't renewed any more ends
                failures += 1
                self.last_error = error
                if not isinstance(error, (AgentError, VaultError)):
                    log.exception("unexpected error; please report it")
                log.warning("the certificate in memory was not renewed", error=str(error), failures=failures)

    def _wait(self, failures: int) -> float:
        """Return the seconds until the next look, or the next try after `failures` in a row."""
        now = self._clock.now()
        if failures:
            left = (self._set.leaf.not_valid_after_utc - now).total_seconds()
            return pause(failures, _chance.random(), self._retry_after(), left)
        return max(0.0, min((self.renew_at - now).total_seconds(), CHECK_EVERY.total_seconds()))

    def _context(self, settings: ContextSettings) -> FollowingContext:
        made = FollowingContext.made(settings, self._set)
        self._contexts.append(made)
        return made

    @property
    def _set(self) -> CertificateSet:
        if self._made is None:
            raise RuntimeError(
                "no certificate was signed yet: use renewing_certificate() or renewing_in_thread()"
            )
        return self._made

    async def _is_outdated(self) -> bool:
        """Return True if the certificate was revoked or another CA signs now."""
        if await self._calls.is_revoked(self._serial):
            return True
        signer = await self._signing_key()
        return bool(signer and self._signer and signer != self._signer)

    async def _signing_key(self) -> str:
        try:
            cas = await self._calls.current_cas()
        except (VaultError, InvalidCertificate):
            return ""
        return hashlib.sha256(public_key(cas[0])).hexdigest() if cas else ""

    def _retry_after(self) -> float | None:
        error = self.last_error
        return error.retry_after if isinstance(error, VaultError) else None


@asynccontextmanager
async def renewing_certificate(
    connection: Connection, login: AuthMethod, wanted: WantedCertificate
) -> AsyncIterator[RenewingCertificate]:
    """Sign a certificate, and renew it until the block is left. Raises VaultError and AgentError at the start
    alone; later failures are in `last_error`, and in the log."""
    session = VaultSession(VaultClient(connection), login)
    try:
        certificate = RenewingCertificate(session, wanted, await _server_clock(session))
        await certificate.renew()
        task = asyncio.create_task(certificate.keep(), name="renew-certificate")
        try:
            yield certificate
        finally:
            task.cancel()
            await asyncio.wait([task])
    finally:
        await session.close()


async def _server_clock(session: VaultSession) -> ServerClock:
    """Return the server's clock, if it differs from this machine's by more than its seconds' rounding."""
    clock = ServerClock()
    before = datetime.now(UTC)
    try:
        server = await server_time(session.client)
    except VaultError:
        return clock
    clock.take(timedelta(0) if server is None else server - before)
    return clock


def _unchanged(_context: object) -> None:
    """Leave a context as it is."""
