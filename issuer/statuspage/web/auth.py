"""Who may look: everybody who reaches a loopback address, or who the API server says may.

On loopback the Host header must name loopback, so that no web site can have its own name lead here (DNS
rebinding). Elsewhere a token is reviewed (TokenReview), and its user asked for (SubjectAccessReview): ``get``
of the path ``/vault-issuer/status``, which is a ClusterRole's ``nonResourceURLs``.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import structlog

from issuer.kube.access import may_reach
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.identity import User, review_token
from issuer.telemetry.address import is_loopback

log = structlog.get_logger(__name__)

A = TypeVar("A")

PATH: Final = "/vault-issuer/status"
"""What a ClusterRole's nonResourceURLs must name."""

BELIEVED: Final = 30.0
"""Seconds an answer of the API server about a user is believed, and one about a token at most."""

_REFUSED_FOR = 5.0  # seconds a refused token is not asked about again
_REMEMBERED = 256
_AT_ONCE = 4  # questions to the API server, about strangers and about people it knows
_A_SECOND = 5.0
_UNKNOWN_BURST, _KNOWN_BURST = (
    20.0,
    64.0,
)  # at first; of those it knows all who have a session may come back at once

_NOBODY = "The API server doesn't know this token, or it has ended."


class Refused(Exception):
    """Not let in; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Reviewer(Protocol):
    """Answers for the API server."""

    async def user(self, token: str) -> User | None:
        """Whose token it is; None when nobody's."""
        ...

    async def may_look(self, user: User) -> bool:
        """Whether the user may see the page."""
        ...


class ApiReviewer:
    """The API server itself. Both raise KubeError."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def user(self, token: str) -> User | None:
        """By TokenReview."""
        return await review_token(self._client, token)

    async def may_look(self, user: User) -> bool:
        """By SubjectAccessReview."""
        return await may_reach(self._client, user, verb="get", path=PATH)


class Budget:
    """So many a second, so that strangers can't have us ask the API server without end."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._level, self._filled = burst, clock()
        self.asking = asyncio.Semaphore(_AT_ONCE)
        """Held while a question is asked."""

    def take(self) -> bool:
        """Whether there is one left."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._filled) * self._rate)
        self._filled = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Answers:
    """A few answers for a few seconds each, the oldest forgotten first; never the question itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, User | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: bytes) -> tuple[bool, User | None]:
        """Whether there is one, and what it is."""
        found = self._kept.get(key)
        if found is None or found[0] <= self._clock():
            return False, None
        return True, found[1]

    def last(self, key: bytes) -> User | None:
        """What the answer was, though it may be too old by now."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def keep(self, key: bytes, answer: User | None, seconds: float) -> None:
        """Remember it."""
        self._kept.pop(key, None)
        self._kept[key] = self._clock() + seconds, answer
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)


class Authenticator:
    """Lets in who has a token of somebody who may look.

    Questions about tokens that nobody has shown yet have a budget of their own, so that who invents tokens
    can't keep out people whom the API server knows.
    """

    def __init__(self, reviewer: Reviewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._reviewer = reviewer
        self._tokens = Answers(clock)
        self._users = Answers(clock)
        self._unknown_tokens = Budget(_A_SECOND, _UNKNOWN_BURST, clock)
        self._known = Budget(_A_SECOND, _KNOWN_BURST, clock)

    async def authenticate(self, token: str) -> User:
        """Whose token it is, if that user may look. Raises Refused."""
        if not token.isascii():  # no bearer token is otherwise (RFC 6750, 2.1)
            raise Refused(401, _NOBODY)
        key = hashlib.sha256(token.encode()).digest()
        known, user = self._tokens.find(key)
        if not known:
            budget = self._unknown_tokens if self._tokens.last(key) is None else self._known
            user = await self._ask(budget, lambda: self._reviewer.user(token))
            self._tokens.keep(key, user, _REFUSED_FOR if user is None else BELIEVED)
        if user is None:
            raise Refused(401, _NOBODY)
        if not await self.authorize(user):
            raise Refused(403, f"{user.name} may not see this page: bind a ClusterRole with get of {PATH}.")
        return user

    async def authorize(self, user: User) -> bool:
        """Whether the user may (still) look. Raises Refused when that can't be asked."""
        key = hashlib.sha256(repr(user).encode()).digest()
        known, answer = self._users.find(key)
        if not known:
            allowed = await self._ask(self._known, lambda: self._reviewer.may_look(user))
            answer = user if allowed else None
            self._users.keep(key, answer, BELIEVED if allowed else _REFUSED_FOR)
        return answer is not None

    async def _ask(self, budget: Budget, question: Callable[[], Awaitable[A]]) -> A:
        if not budget.take():
            raise Refused(429, "Too many logins at once: try again in a moment.")
        async with budget.asking:
            try:
                return await question()
            except KubeError as error:
                log.warning("status page: access not reviewed", error=_advice(error))
                raise Refused(503, "The API server can't say now who may look: try again.") from error


def _advice(error: KubeError) -> str:
    if error.status == 403:
        return f"{error}: the controller needs create of tokenreviews and subjectaccessreviews"
    return str(error)


def names_loopback(host_header: str) -> bool:
    """Whether a Host header is one that a browser sends to loopback, on whatever port."""
    host, bracket, rest = host_header.partition("]")
    if bracket:
        return is_loopback(host.removeprefix("[")) and _is_port(rest)
    host, colon, port = host_header.partition(":")
    return is_loopback(host) and _is_port(colon + port)


def _is_port(text: str) -> bool:
    return text == "" or (text[0] == ":" and text[1:].isascii() and text[1:].isdecimal())
