"""What step-ca sends is bounded: pages, entries, and dates that are none."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from issuer.servers.allowed import AllowedServers, Reach
from issuer.step.client import MAX_PAGES, StepClient
from issuer.step.connection import StepConnection
from issuer.transport.errors import UnexpectedAnswer
from tests.unit.step.fake import KID, NAME, Answer, FakeStepCA, fake_step_ca

LIST = "GET /provisioners"


@pytest.fixture
async def step() -> AsyncIterator[FakeStepCA]:
    """A CA of fakes."""
    async with fake_step_ca() as running:
        yield running


@pytest.fixture
async def client(step: FakeStepCA) -> AsyncIterator[StepClient]:
    """A client of it."""
    reach = Reach(AllowedServers.parse(["127.0.0.0/8"]), restricted=False)
    opened = StepClient(
        StepConnection(step.url, ca_pem=base64.b64decode(step.bundle), timeout=10, reach=reach)
    )
    yield opened
    await opened.close()


def listing(page: list[Any], cursor: str) -> Any:
    def answer(call: str) -> Answer | None:
        return (200, {"provisioners": page, "nextCursor": cursor}) if call == LIST else None

    return answer


async def test_a_page_of_more_than_was_asked_for_is_refused(step: FakeStepCA, client: StepClient) -> None:
    step.answer = listing([{}] * 101, "")
    with pytest.raises(UnexpectedAnswer, match="100"):
        await client.find_provisioner(NAME, KID)


async def test_pages_without_end_are_left(step: FakeStepCA, client: StepClient) -> None:
    step.answer = listing([{}], "more")
    with pytest.raises(UnexpectedAnswer, match="more than"):
        await client.find_provisioner(NAME, KID)
    assert step.made(LIST) == MAX_PAGES


async def test_no_page_is_read_after_the_one_with_the_provisioner(
    step: FakeStepCA, client: StepClient
) -> None:
    step.answer = listing([{"type": "JWK", "name": NAME, "key": {"kid": KID}}], "more")
    assert (await client.find_provisioner(NAME, KID)).found is not None
    assert step.made(LIST) == 1


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2024 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Mon,",
    ],
)
async def test_a_date_that_is_none_costs_no_answer(step: FakeStepCA, client: StepClient, date: str) -> None:
    step.date = date
    await client.health()
    assert client.skew is None or client.skew.days < 0


async def test_the_date_of_an_answer_out_of_a_cache_is_no_clock(step: FakeStepCA, client: StepClient) -> None:
    step.date, step.age = "Mon, 01 Jan 2024 00:00:00 GMT", "3600"
    await client.health()
    assert client.skew is None
