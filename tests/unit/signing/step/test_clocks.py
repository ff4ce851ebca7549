"""Clocks of step-ca and of the controller that differ, and tokens dated before its start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from issuer.signing.outcomes import (
    IssuerBroken,
)
from tests.unit.signing.step.conftest import Open
from tests.unit.signing.step.requests import asked
from tests.unit.step.fake import (
    Answer,
    FakeStepCA,
)


async def test_a_difference_of_clocks_is_told_in_one_text_until_it_changes(
    step: FakeStepCA, open_signer: Open
) -> None:
    """Each text is a write of the status, and `Date` has whole seconds."""
    signer, told = await open_signer(), []
    for seconds in (300, 301, 290, 299, 340):
        step.skew = timedelta(seconds=seconds)
        told.append((await signer.check()).warnings)
    assert len(set(told[:4])) == 1
    assert told[4] not in ((), told[0])


@pytest.mark.parametrize("minutes", [5, -5, 40])
async def test_a_difference_of_clocks_is_made_up_for_and_said(
    step: FakeStepCA, open_signer: Open, minutes: int
) -> None:
    step.skew = timedelta(minutes=minutes)
    signer = await open_signer()
    health = await signer.check()
    assert any("clock" in warning for warning in health.warnings)
    await signer.sign(asked())
    assert (step.refusals, len(step.signed)) == ([], 1)


async def test_a_clock_that_changes_costs_one_more_token(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()
    step.skew = timedelta(minutes=-30)
    await signer.sign(asked())
    assert (len(step.refusals), len(step.signed)) == (1, 1)


async def test_clocks_that_differ_by_hours_break_the_issuer(step: FakeStepCA, open_signer: Open) -> None:
    step.skew = timedelta(hours=5)
    with pytest.raises(IssuerBroken, match="ahead of") as raised:
        await (await open_signer()).check()
    assert raised.value.reason == "ClocksDiffer"


async def test_a_ca_that_has_just_started_takes_the_next_token(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()
    step.started = step.now + timedelta(days=1)
    refused_before = len(step.refusals)

    def start(call: str) -> Answer | None:
        if len(step.refusals) > refused_before:
            step.started = datetime(2026, 1, 1, tzinfo=UTC)
        return None

    step.answer = start
    await signer.sign(asked())
    assert step.refusals[refused_before:] == ["token issued before the bootstrap of certificate authority"]


async def test_a_restarted_ca_takes_the_next_token_of_a_clock_that_is_seconds_behind(
    step: FakeStepCA, open_signer: Open
) -> None:
    """A difference that is too small to tell dates tokens before the start all the same."""
    step.skew = timedelta(seconds=15)
    signer = await open_signer()
    step.started = step.now.replace(microsecond=0)
    assert (await signer.check()).warnings == ()
    assert step.refusals == ["token issued before the bootstrap of certificate authority"]
