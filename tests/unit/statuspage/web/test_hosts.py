"""Sessions end and are bounded; only names of loopback pass for it."""

from __future__ import annotations

import base64
import json

import pytest

from issuer.kube.identity import User
from issuer.statuspage.web.hosts import names_loopback
from issuer.statuspage.web.sessions import LASTS, MOST, Sessions
from issuer.telemetry.address import is_loopback

JANE = User("jane", "u-1", ("dev",))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


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
