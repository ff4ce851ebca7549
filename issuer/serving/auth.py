"""Authentication and authorization of readers by the API server's word.

A bearer token is authenticated by a TokenReview, and its user authorized by a SubjectAccessReview: `get` of a
path, which a ClusterRole's `nonResourceURLs` grant. Answers are cached for seconds, and questions to the API
server are rate-limited.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import structlog

from issuer.bounded import TokenBucket, TtlCache
from issuer.kube.access import may_reach
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.identity import User, review_token

log = structlog.get_logger(__name__)

A = TypeVar("A")

BELIEVED: Final = 30.0
"""Seconds that the API server's yes about a token or a user is cached."""

_REFUSED_FOR = 5.0  # seconds a refused token is not asked about again
_REMEMBERED = 256
_AT_ONCE = 4  # questions in flight about unknown tokens, and as many about known ones
_A_SECOND = 5.0
_UNKNOWN_BURST, _KNOWN_BURST = (
    20.0,
    64.0,
)  # questions at once; all who have a session may come back together

_NOBODY = "The API server doesn't know this token, or it has expired."


class Refused(Exception):
    """Raised for a reader who isn't let in; `status` is the HTTP status of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Reviewer(Protocol):
    """The API server, as far as it is asked about readers; `path` is the one that they have to be let get."""

    path: str

    async def user(self, token: str) -> User | None:
        """Return the user of a token, None if it is nobody's. Raises KubeError."""
        ...

    async def may_read(self, user: User) -> bool:
        """Return True if the user may read what is served. Raises KubeError."""
        ...


class ApiReviewer:
    """The real API server; `path` is what a ClusterRole's nonResourceURLs must name."""

    def __init__(self, client: KubeClient, path: str) -> None:
        self._client = client
        self.path = path

    async def user(self, token: str) -> User | None:
        """Return the user of a token by a TokenReview, None if it is nobody's. Raises KubeError."""
        return await review_token(self._client, token)

    async def may_read(self, user: User) -> bool:
        """Return True if a SubjectAccessReview lets the user get the path. Raises KubeError."""
        return await may_reach(self._client, user, verb="get", path=self.path)


class _Budget:
    """A rate of questions to the API server, and a bound on those in flight."""

    def __init__(self, burst: float, clock: Callable[[], float]) -> None:
        self.bucket = TokenBucket(_A_SECOND, burst, clock)
        self.in_flight = asyncio.Semaphore(_AT_ONCE)


class Authenticator:
    """Authenticates bearer tokens, and authorizes their users to read what is served.

    Tokens that nobody has shown yet have a budget of their own, so that a client that invents tokens can't
    keep out people whom the API server knows.
    """

    def __init__(self, reviewer: Reviewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._reviewer = reviewer
        self._tokens: TtlCache[bytes, User | None] = TtlCache(_REMEMBERED, clock)
        self._users: TtlCache[bytes, bool] = TtlCache(_REMEMBERED, clock)
        self._unknown_tokens = _Budget(_UNKNOWN_BURST, clock)
        self._known = _Budget(_KNOWN_BURST, clock)

    async def authenticate(self, token: str) -> User:
        """Return the token's user, who may read.

        Raises Refused: 401 for nobody's token, 403 for a user without the right, 429 for too many questions,
        503 if the API server gives no answer.
        """
        if not token.isascii():  # no bearer token is otherwise (RFC 6750, 2.1)
            raise Refused(401, _NOBODY)
        # Never the token itself: what isn't kept can't leak.
        key = hashlib.sha256(token.encode()).digest()
        user = self._tokens.get(key)
        if not self._tokens.fresh(key):
            budget = self._unknown_tokens if self._tokens.stale(key) is None else self._known
            user = await self._ask(budget, lambda: self._reviewer.user(token))
            self._tokens.put(key, user, _REFUSED_FOR if user is None else BELIEVED)
        if user is None:
            raise Refused(401, _NOBODY)
        if not await self.authorize(user):
            path = self._reviewer.path
            raise Refused(403, f"{user.name} may not read this: bind a ClusterRole with get of {path}.")
        return user

    async def authorize(self, user: User) -> bool:
        """Return True if the user may (still) read. Raises Refused (429, 503) without an answer."""
        key = hashlib.sha256(repr(user).encode()).digest()
        allowed = self._users.get(key)
        if allowed is None:
            allowed = await self._ask(self._known, lambda: self._reviewer.may_read(user))
            self._users.put(key, allowed, BELIEVED if allowed else _REFUSED_FOR)
        return allowed

    async def _ask(self, budget: _Budget, question: Callable[[], Awaitable[A]]) -> A:
        if not budget.bucket.take():
            raise Refused(429, "Too many logins at once: try again in a moment.")
        async with budget.in_flight:
            try:
                return await question()
            except KubeError as error:
                log.warning("access not reviewed", path=self._reviewer.path, error=_advice(error))
                raise Refused(503, "The API server can't say now who may look: try again.") from error


def _advice(error: KubeError) -> str:
    if error.status == 403:
        return f"{error}: the controller needs create of tokenreviews and subjectaccessreviews"
    return str(error)
