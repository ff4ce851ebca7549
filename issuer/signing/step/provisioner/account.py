"""The provisioner in whose name an issuer signs: its key and claims, its tokens, and why one is refused.

step-ca answers to every token that it refuses in one sentence, and writes the cause into its log alone: so
the cause is looked for here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from issuer.duration import format_seconds
from issuer.signing.lives import LifeBounds
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.step.provisioner.keyring import IssuerKeyring, OpenedKey, is_plain
from issuer.signing.step.reasons import StepIssuerReason
from issuer.step.client import StepClient
from issuer.step.errors import AnotherKey, KeyUnusable, StepNotFound, TokenRefused, WrongPassword
from issuer.step.provisioners import JWK, Provisioner, ProvisionerSearch
from issuer.step.tokens import TokenIssuer
from issuer.text import ascii_text, clip

T = TypeVar("T")

CLOCK_TOLERANCE: Final = timedelta(seconds=20)
"""The difference of clocks that is left alone: step-ca takes a minute, and `Date` has whole seconds."""
MOST_SKEW: Final = timedelta(hours=1)
"""The largest difference of clocks that tokens make up for: certificates would come out of date."""
_NEXT_SECOND: Final = 1.1
"""Seconds until a new token has a later `iat`: a CA that has just started refuses one of its first second."""
_DEFAULT_LIFE: Final = timedelta(hours=24)  # of step-ca: `authority/config/config.go`


@dataclass(frozen=True, slots=True)
class KeySource:
    """Sources of a provisioner's key and password.

    `password` returns the password, None for a key that isn't encrypted; it may raise IssuerBroken. `local`
    is a key that was given, as a JWK or JWE; None for the one that the CA keeps. `where` says where the
    password is, for messages.
    """

    password: Callable[[], bytes | None]
    local: str | None = field(repr=False)
    where: str


class StepAccount:
    """One provisioner of one step-ca. `read` first; its errors are StepErrors and IssuerBroken."""

    def __init__(
        self,
        client: StepClient,
        issuer: TokenIssuer,
        source: KeySource,
        keyring: IssuerKeyring,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._source = source
        self._keyring = keyring
        self.now = now
        self._sleep = sleep
        self._opened: OpenedKey | None = None
        self._provisioner: Provisioner | None = None
        self._refusals = 0
        self._told = timedelta()

    @property
    def version(self) -> object:
        """A value that is another one once the key is, or once a token was refused for good."""
        return (None if self._opened is None else self._opened.key.public, self._refusals)

    @property
    def lives(self) -> LifeBounds:
        """The bounds that the provisioner itself sets, as they were read last."""
        found = self._provisioner
        if found is None:
            return LifeBounds()
        source = f'the claims of the provisioner "{self._issuer.name}"'
        likely = max(_DEFAULT_LIFE, found.shortest or timedelta())
        return LifeBounds(found.shortest, found.longest, found.usual, source, likely)

    def warnings(self) -> tuple[str, ...]:
        """Return sentences for the issuer's status."""
        found = []
        if self._opened is not None and self._opened.trimmed:
            found.append(
                f"The password in {self._source.where} ends with a line end that is none of it, and was used "
                "without: store it without"
            )
        skew = self._told_skew()
        if skew:
            found.append(
                f"step-ca's clock is {_difference(skew)} this controller's: tokens are dated by its clock. "
                "Compare the clocks"
            )
        return tuple(found)

    async def read(self) -> None:
        """Read the provisioner, and open its key if that is another one than before."""
        search = await self._client.find_provisioner(self._issuer.name, self._issuer.kid)
        if search.found is None:
            raise self._not_found(search)
        opened = await self._open(search.found)
        self._provisioner, self._opened = search.found, opened

    async def _open(self, provisioner: Provisioner) -> OpenedKey:
        text = self._source.local
        if text is None:
            text = provisioner.encrypted_key or await self._fetched()
        try:
            if self._source.local is None and is_plain(text):
                raise KeyUnusable("the CA serves it to everybody, unencrypted: rotate it, with a password")
            return await self._keyring.open(text, self._source.password(), provisioner.public)
        except AnotherKey as error:
            raise IssuerBroken(
                StepIssuerReason.PROVISIONER_KEY_DIFFERS,
                f'The key that was given is not that of the provisioner "{self._issuer.name}" with kid '
                f'"{self._issuer.kid}": put its own into provisioner.keyRef, or correct provisioner.kid.',
            ) from error
        except WrongPassword as error:
            raise IssuerBroken(
                StepIssuerReason.PASSWORD_REFUSED,
                f"{self._source.where} does not hold the password of the provisioner "
                f'"{self._issuer.name}" with kid "{self._issuer.kid}" (tried as it is, and without line '
                "ends): put the right one there.",
            ) from error
        except KeyUnusable as error:
            raise IssuerBroken(
                StepIssuerReason.PROVISIONER_KEY_UNUSABLE,
                f'The key of the provisioner "{self._issuer.name}" can\'t be used: {error}.',
            ) from error

    async def _fetched(self) -> str:
        try:
            return await self._client.encrypted_key(self._issuer.kid)
        except StepNotFound as error:
            raise IssuerBroken(
                StepIssuerReason.PROVISIONER_KEY_UNUSABLE,
                f'The CA keeps no encrypted key of the provisioner "{self._issuer.name}": put the key into a '
                f"Secret, and name it in provisioner.keyRef. {error}.",
            ) from error

    async def authorized(
        self, path: str, subject: str, sans: Sequence[str], call: Callable[[str], Awaitable[T]]
    ) -> T:
        """Run `call(token)` with a token for a call of `path`, and once more with a new one if it is refused.

        401 means that nothing was done. A second token has another id, and is dated by the CA's clock to the
        second, and so later than the CA's start. Raises IssuerBroken with the likeliest cause where that is
        refused, too.
        """
        if self._opened is None:
            await self.read()
        try:
            return await call(self._token(path, subject, sans))
        except TokenRefused:
            await self._sleep(_NEXT_SECOND)
        try:
            # A clock that is seconds behind dates tokens before the start of a CA that was just restarted.
            return await call(self._token(path, subject, sans, least_skew=timedelta()))
        except TokenRefused as error:
            raise await self._refused(path, error) from error

    def _token(
        self, path: str, subject: str, sans: Sequence[str], least_skew: timedelta = CLOCK_TOLERANCE
    ) -> str:
        if self._opened is None:
            raise AssertionError("the key was read before")
        dated = self.now() + self._skew(least_skew)
        return self._issuer.token(self._opened.key, path, subject, sans, dated)

    def _told_skew(self) -> timedelta:
        """Return the skew as it was told before, as long as it is about that: each text is a write."""
        skew = self._skew()
        if not skew or abs(skew - self._told) > CLOCK_TOLERANCE:
            self._told = skew
        return self._told

    def _skew(self, least: timedelta = CLOCK_TOLERANCE) -> timedelta:
        """Return what to add to our clock: nothing up to `least`, nor beyond what can be made up for."""
        skew = self._client.skew or timedelta()
        return skew if least < abs(skew) <= MOST_SKEW else timedelta()

    async def _refused(self, path: str, error: TokenRefused) -> IssuerBroken:
        """Return why tokens are refused, as far as it can be found out."""
        self._refusals += 1
        await self.read()  # raises where the provisioner or its key has gone
        skew = self._client.skew or timedelta()
        if abs(skew) > MOST_SKEW:
            return IssuerBroken(
                StepIssuerReason.CLOCKS_DIFFER,
                f"step-ca's clock is {_difference(skew)} this controller's, and it refuses tokens that are "
                f"dated so far off: set the clocks. {error}.",
            )
        names = await self._client.tls_names()
        known = (
            f"The TLS certificate there, its own or a proxy's, names {', '.join(names)}. " if names else ""
        )
        return IssuerBroken(
            StepIssuerReason.TOKEN_REFUSED,
            "step-ca knows the provisioner and its key, and refuses tokens for "
            f'"{self._issuer.audience(path)}". That host has to be one of its own names (dnsNames in its '
            f"ca.json). {known}Write one of the CA's own into spec.url, or add the host to dnsNames; its log "
            f"has the cause. {error}.",
        )

    def _not_found(self, search: ProvisionerSearch) -> IssuerBroken:
        same = search.same
        if same and same[0].type != JWK:
            return IssuerBroken(
                StepIssuerReason.PROVISIONER_NOT_SUPPORTED,
                f'The provisioner "{self._issuer.name}" is of type {_text(same[0].type)}, whose tokens '
                "aren't made from a password or a key: name a provisioner of type JWK (step ca provisioner "
                "add NAME --type JWK --create).",
            )
        if same:
            kids = ", ".join(f'"{_text(one.kid)}"' for one in same if one.kid)
            return IssuerBroken(
                StepIssuerReason.PROVISIONER_NOT_FOUND,
                f'The provisioner "{self._issuer.name}" has no key "{self._issuer.kid}". Its keys are '
                f"{kids}: correct provisioner.kid, and the password if the key was rotated.",
            )
        there = ", ".join(f'"{_text(one.name)}" ({_text(one.type)})' for one in search.listed) or "none"
        return IssuerBroken(
            StepIssuerReason.PROVISIONER_NOT_FOUND,
            f'step-ca has no provisioner "{self._issuer.name}". There are {there}: correct provisioner.name.',
        )


def _text(name: str) -> str:
    return clip(ascii_text(name), 80)


def _difference(skew: timedelta) -> str:
    return f"{format_seconds(abs(skew))} {'ahead of' if skew > timedelta() else 'behind'}"
