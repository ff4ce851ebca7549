"""Viewers are authenticated and authorized by the API server, asked seldom, believed for seconds."""

from __future__ import annotations

import pytest

from issuer.kube.errors import Forbidden
from issuer.kube.identity import User
from issuer.serving.auth import BELIEVED, Authenticator, Refused

JANE = User("jane", "u-1", ("dev",))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Reviewer:
    """Knows jane's token, and counts what it is asked."""

    path = "/metrics"

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

    async def may_read(self, _user: User) -> bool:
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
    with pytest.raises(Refused, match=reviewer.path) as refused:
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
