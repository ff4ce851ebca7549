"""Calls at once, and those that a rate limit of Vault's holds off: sent again, for a bounded time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from issuer.pki.errors import PkiError, VaultNotUsable
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import AT_ONCE, RATE_PATIENCE, VaultCalls, at_once
from issuer.pki.server.connecting import connected, connection_from
from issuer.pki.server.reading import data_of
from issuer.vault.errors import VaultForbidden, VaultNotFound, VaultRateLimited
from issuer.vault.transport import VaultClient
from tests.unit.vault.fake import fake_vault


class LimitedServer:
    """Answers 429 `times` times, with `after` as the pause, and then data."""

    def __init__(self, times: int, after: float | None = None) -> None:
        self.times, self.after = times, after
        self.sent = 0

    def adapter(self, token: str) -> LimitedServer:
        assert token == "t"
        return self

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.sent += 1
        if self.sent <= self.times:
            raise VaultRateLimited(f"429 to {method} {path}", status=429, retry_after=self.after)
        return {"data": {"a": 1}}


def calls(server: LimitedServer) -> tuple[VaultCalls, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return VaultCalls(cast("VaultClient", server), SecretText("t"), sleep=sleep), slept


@pytest.mark.parametrize(("after", "slept"), [(None, [1.0, 1.0]), (7.0, [7.0, 7.0]), (0.0, [1.0, 1.0])])
async def test_a_call_beyond_a_rate_is_sent_again(after: float | None, slept: list[float]) -> None:
    server = LimitedServer(2, after)
    asked, waited = calls(server)
    assert (await asked.read("pki/roles/web")).data == {"a": 1}
    assert await asked.write("pki/roles/web", {"ttl": "1h"}) == {"a": 1}
    assert (waited, server.sent) == (slept, 4)


async def test_a_rate_that_does_not_end_is_told_with_what_to_do() -> None:
    asked, waited = calls(LimitedServer(1000, 25.0))
    with pytest.raises(VaultNotUsable, match="Nothing was changed; raise the quota"):
        await asked.read("pki/roles/web")
    assert sum(waited) <= RATE_PATIENCE


async def test_after_a_failure_no_call_begins_and_those_under_way_end_uncancelled() -> None:
    """A TLS connection that is cancelled as it begins is never closed."""
    begun: list[int] = []
    ended: list[int] = []

    async def call(number: int) -> int:
        begun.append(number)
        if number == 0:
            raise PkiError("no such namespace")
        await asyncio.sleep(0)
        ended.append(number)
        return number

    with pytest.raises(PkiError, match="no such namespace"):
        await at_once({number: partial(call, number) for number in range(3 * AT_ONCE)})
    assert ended == begun[1:] == list(range(1, AT_ONCE))


async def test_answers_of_calls_at_once_keep_their_order() -> None:
    async def call(number: int) -> int:
        await asyncio.sleep(0.001 * (number % 3))
        return number

    answers = await at_once({number: partial(call, number) for number in range(40)})
    assert list(answers.items()) == [(number, number) for number in range(40)]
    assert await at_once({}) == {}


class Lister:
    """Lists `keys`, in pages if it knows them; it compares them with hyphens, and shows them with colons."""

    def __init__(self, keys: list[str], *, pages: bool) -> None:
        self.keys, self.pages = keys, pages

    def adapter(self, token: str) -> Lister:
        return self

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        query = parse_qs(urlsplit(path).query)
        after = query.get("after", [""])[0]
        left = [one for one in self.keys if one.replace(":", "-") > after] if self.pages else self.keys
        if not left:
            raise VaultNotFound("404", status=404)
        return {"data": {"keys": left[: int(query["limit"][0])] if self.pages else left}}


@pytest.mark.parametrize("pages", [True, False], ids=["OpenBao", "Vault"])
@pytest.mark.parametrize("number", [1, 3, 4, 6, 7])
async def test_each_key_is_listed_once_with_pages_and_without(number: int, pages: bool) -> None:
    keys = [f"0a:{one:02x}" for one in range(number)]
    calls = VaultCalls(cast(VaultClient, Lister(keys, pages=pages)), SecretText("t"))
    found = [page.data async for page in calls.list_pages("pki/certs/", 3)]
    assert [key for one in found for key in (one or {})["keys"]] == keys


async def test_a_page_that_may_not_be_read_any_more_is_told() -> None:
    """A token ends between two pages."""
    lister = Lister([f"0a:{one:02x}" for one in range(6)], pages=True)

    async def request(method: str, path: str, **_: Any) -> dict[str, Any]:
        if "after" in path:
            raise VaultForbidden("permission denied", status=403)
        return await Lister.request(lister, method, path)

    lister.request = request  # type: ignore[method-assign]
    calls = VaultCalls(cast(VaultClient, lister), SecretText("t"))
    found = [page async for page in calls.list_pages("pki/certs/", 3)]
    assert [one.refused is None for one in found] == [True, False]


async def test_an_empty_list_is_one_page_without_data() -> None:
    calls = VaultCalls(cast(VaultClient, Lister([], pages=True)), SecretText("t"))
    assert [page.data async for page in calls.list_pages("pki/certs/", 3)] == [None]


async def test_long_lists_are_read() -> None:
    """Vault gives all serial numbers of a mount in one answer; a CRL that raft just stores has 1.4 MiB."""
    data = {"keys": [f"{number:059x}" for number in range(30_000)]}
    async with fake_vault() as vault, connected(connection_from({"VAULT_ADDR": vault.url})) as client:
        vault.tell("GET /v1/pki/long", (200, {"data": data}))  # aiohttp's server knows no LIST
        assert (await VaultCalls(client, SecretText("t")).read("pki/long")).data == data


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("pki/cert/01", ["x"]),
        ("pki/cert/01", "text"),
        ("pki/issuers/", {"keys": "abc"}),
        ("pki/issuers/", {"keys": [1]}),
        ("pki/issuers/", {"keys": ["a"], "key_info": ["a"]}),
        ("pki/issuers/", {"keys": ["a"], "key_info": {"a": "b"}}),
    ],
)
def test_answers_of_another_form_are_told(path: str, data: Any) -> None:
    with pytest.raises(PkiError, match=f"answer to {path} isn't in Vault's form"):
        data_of(path, {"data": data})
    assert data_of("pki/issuers/", {"data": {"keys": None}}) == {"keys": None}
