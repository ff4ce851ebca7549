"""Viewers are authenticated and authorized by the API server, asked seldom, believed for seconds."""

from __future__ import annotations

import base64
import json

import pytest

from issuer.kube.errors import Forbidden
from issuer.kube.identity import User
from issuer.statuspage.web.auth import BELIEVED, PATH, Authenticator, Refused, names_loopback
from issuer.statuspage.web.sessions import LASTS, MOST, Sessions
from issuer.telemetry.address import is_loopback

JANE = User("jane", "u-1", ("dev",))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Reviewer:
    """Knows jane's token, and counts what it is asked."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {"good": JANE}
        self.allowed = True
        self.broken = False
        self.tokens_asked = self.users_asked = 0

    async def user(self, token: str) -> User | None:
        self.tokens_asked += 1
        if self.broken:
            raise Forbidden("POST tokenreviews: forbidden", status=403)
        return self.users.get(token)

    async def may_look(self, _user: User) -> bool:
        self.users_asked += 1
        return self.allowed


async def test_a_token_is_asked_about_once_in_a_while() -> None:
    clock, reviewer = Clock(), Reviewer()
    authenticator = Authenticator(reviewer, clock)
    for _ in range(10):
        assert await authenticator.authenticate("good") == JANE
    assert (reviewer.tokens_asked, reviewer.users_asked) == (1, 1)
    clock.now += BELIEVED + 1
    await authenticator.authenticate("good")
    assert (reviewer.tokens_asked, reviewer.users_asked) == (2, 2)


async def test_a_token_that_nobody_has_is_refused_and_not_asked_about_at_once_again() -> None:
    clock, reviewer = Clock(), Reviewer()
    authenticator = Authenticator(reviewer, clock)
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await authenticator.authenticate("bad")
        assert refused.value.status == 401
    assert reviewer.tokens_asked == 1
    reviewer.users["bad"] = JANE
    clock.now += 6
    assert await authenticator.authenticate("bad") == JANE


async def test_who_may_not_look_is_told_what_is_missing() -> None:
    reviewer = Reviewer()
    reviewer.allowed = False
    with pytest.raises(Refused, match=PATH) as refused:
        await Authenticator(reviewer).authenticate("good")
    assert refused.value.status == 403


async def test_a_right_that_is_taken_away_ends_within_half_a_minute() -> None:
    clock, reviewer = Clock(), Reviewer()
    authenticator = Authenticator(reviewer, clock)
    assert await authenticator.authorize(JANE)
    reviewer.allowed = False
    clock.now += BELIEVED + 1
    assert not await authenticator.authorize(JANE)


async def test_strangers_cannot_have_the_api_server_asked_without_end() -> None:
    clock, reviewer = Clock(), Reviewer()
    authenticator = Authenticator(reviewer, clock)
    statuses = []
    for number in range(100):
        with pytest.raises(Refused) as refused:
            await authenticator.authenticate(f"guess {number}")
        statuses.append(refused.value.status)
    assert reviewer.tokens_asked == 20
    assert statuses.count(429) == 80
    clock.now += 1
    assert await authenticator.authenticate("good") == JANE


async def test_invented_tokens_keep_out_nobody_whom_the_api_server_knows() -> None:
    clock, reviewer = Clock(), Reviewer()
    authenticator = Authenticator(reviewer, clock)
    await authenticator.authenticate("good")
    clock.now += BELIEVED + 1
    for number in range(100):
        with pytest.raises(Refused):
            await authenticator.authenticate(f"guess {number}")
    assert await authenticator.authorize(JANE)  # her session
    assert await authenticator.authenticate("good") == JANE  # her script
    reviewer.users["new"] = User("joe")
    with pytest.raises(Refused) as refused:
        await authenticator.authenticate("new")
    assert refused.value.status == 429


async def test_bytes_that_are_no_token_are_not_asked_about() -> None:
    reviewer = Reviewer()
    with pytest.raises(Refused) as refused:
        await Authenticator(reviewer).authenticate("\udcff")
    assert refused.value.status == 401
    assert reviewer.tokens_asked == 0


async def test_an_api_server_that_cannot_answer_lets_nobody_in() -> None:
    reviewer = Reviewer()
    reviewer.broken = True
    with pytest.raises(Refused) as refused:
        await Authenticator(reviewer).authenticate("good")
    assert refused.value.status == 503
    assert "tokenreviews" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "holds"),
    [
        ("localhost", True),
        ("LOCALHOST:9403", True),
        ("127.0.0.1:12345", True),
        ("127.1.2.3", True),
        ("[::1]:9403", True),
        ("[::1]", True),
        ("", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:9403", False),
        ("evil.example:127", False),
        ("10.0.0.1:9403", False),
        ("localhost:9403@evil.example", False),
        ("localhost:x", False),
        ("[::1]evil", False),
        ("0.0.0.0:9403", False),
    ],
)
def test_only_names_of_loopback_pass_for_it(host: str, holds: bool) -> None:
    assert names_loopback(host) is holds


@pytest.mark.parametrize(
    ("host", "holds"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("pod", False),
    ],
)
def test_only_loopback_is_loopback(host: str, holds: bool) -> None:
    assert is_loopback(host) is holds


def jwt(**claims: object) -> str:
    """A token that says so; nobody here checks its signature."""
    parts = (b"{}", json.dumps(claims).encode(), b"s")
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts)


def test_a_session_is_known_by_its_cookie_until_it_ends() -> None:
    clock = Clock()
    sessions = Sessions(clock, wall=clock)
    cookie, lasts = sessions.begin(JANE, "opaque")
    assert lasts == LASTS
    assert sessions.find(cookie) == JANE
    assert sessions.find(cookie + "x") is None
    assert sessions.find("") is None
    assert sessions.find("\udcff") is None
    clock.now += LASTS
    assert sessions.find(cookie) is None
    assert len(sessions) == 0


@pytest.mark.parametrize(
    ("claims", "lasts"), [({"exp": 1600}, 600), ({"exp": 99999}, LASTS), ({}, LASTS), ({"exp": "x"}, LASTS)]
)
def test_a_session_never_outlasts_its_token(claims: dict[str, object], lasts: int) -> None:
    clock = Clock()
    assert Sessions(clock, wall=clock).begin(JANE, jwt(**claims))[1] == lasts


def test_sessions_are_few_and_can_be_ended() -> None:
    sessions = Sessions()
    first, _ = sessions.begin(JANE, "t")
    cookies = [sessions.begin(JANE, "t")[0] for _ in range(MOST)]
    assert sessions.find(first) is None
    assert len(sessions) == MOST
    sessions.end(cookies[0])
    assert sessions.find(cookies[0]) is None


def test_neither_tokens_nor_cookies_are_kept() -> None:
    sessions = Sessions()
    cookie, _ = sessions.begin(JANE, "secret-token")
    kept = sessions._users._kept._kept
    assert len(kept) == 1
    assert cookie.encode() not in kept
    assert "secret-token" not in repr(kept)
    assert cookie not in repr(kept)
