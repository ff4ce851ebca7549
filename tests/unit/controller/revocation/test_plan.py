"""What is due for a request with our finalizer, and when: the pure decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from issuer.controller.revocation.plan import (
    GRACE,
    GRACE_FOR_SUCCESSOR,
    LONGEST_IN_A_HURRY,
    Facts,
    Found,
    Keep,
    Leaf,
    LetGo,
    Look,
    Policy,
    Result,
    Revoke,
    decide,
)
from issuer.controller.revocation.reasons import NotRevokedReason
from tests.builders import NOW

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
WAIT = 5 * MINUTE
OURS = Leaf(1, NOW - HOUR, NOW + 72 * HOUR)
LATER = Leaf(2, NOW - MINUTE, NOW + 2 * HOUR)
EARLIER = Leaf(3, NOW - 2 * HOUR, NOW + HOUR)


def facts(policy: Policy = Policy.ON_DELETE, **more: object) -> Facts:
    """A request with a certificate, living, whose surroundings were read: its Secret is gone."""
    base = Facts(
        policy=policy,
        delay=timedelta(),
        wait=WAIT,
        issued=True,
        name_wanted=False,
        found=Found(OURS, None),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def deleted(policy: Policy = Policy.ON_DELETE, at: datetime = NOW, **more: object) -> Facts:
    """The same, deleted and seen so at once."""
    return facts(policy, **{"deleted_at": at, "seen": at, **more})


def holding(leaf: Leaf | None) -> Found:
    """What was read when the Secret holds that."""
    return Found(OURS, leaf)


@pytest.mark.parametrize("policy", [Policy.ON_DELETE, Policy.GONE, Policy.UNKNOWN])
def test_a_living_request_is_left_alone(policy: Policy) -> None:
    assert decide(facts(policy), NOW) == Keep()


def test_never_takes_the_finalizer_off_whatever_else_is_so() -> None:
    for one in (facts(Policy.NEVER), deleted(Policy.NEVER), deleted(Policy.NEVER, issued=False)):
        assert decide(one, NOW) == LetGo(
            Result.NOTHING, NotRevokedReason.POLICY_NEVER, _why(decide(one, NOW))
        )


def test_a_deleted_request_without_certificate_goes_at_once() -> None:
    for policy in (Policy.ON_DELETE, Policy.ON_REPLACE, Policy.GONE, Policy.UNKNOWN):
        assert _result(decide(deleted(policy, issued=False, delay=HOUR), NOW)) is Result.NOTHING


def test_on_delete_revokes_what_no_secret_holds() -> None:
    for found in (holding(None), holding(LATER), holding(EARLIER)):
        assert decide(deleted(found=found), NOW) == Revoke(NOW + WAIT)


def test_on_replace_revokes_only_what_a_later_certificate_replaced() -> None:
    assert decide(deleted(Policy.ON_REPLACE, found=holding(LATER)), NOW) == Revoke(NOW + WAIT)
    for held, result in ((None, Result.NOT_REPLACED), (EARLIER, Result.NOT_REPLACED), (OURS, Result.IN_USE)):
        one = deleted(Policy.ON_REPLACE, found=holding(held))
        assert isinstance(decide(one, NOW), Keep)  # the Secret may be written a moment later
        assert _result(decide(one, NOW + GRACE)) is result
        pruned = replace(one, issuing=True)
        assert isinstance(decide(pruned, NOW + GRACE), Keep)
        assert _result(decide(pruned, NOW + GRACE_FOR_SUCCESSOR)) is result


def test_a_certificate_in_use_is_kept_for_a_grace_and_then_let_go() -> None:
    one = deleted(found=holding(OURS))
    assert isinstance(decide(one, NOW), Keep)
    assert isinstance(decide(one, NOW + GRACE - SECOND), Keep)
    assert _result(decide(one, NOW + GRACE)) is Result.IN_USE


def test_a_request_pruned_before_its_successor_is_answered_waits_for_it_but_not_for_ever() -> None:
    one = deleted(found=holding(OURS), issuing=True)
    assert _until(decide(one, NOW)) == NOW + 2 * SECOND
    assert _until(decide(one, NOW + 20 * MINUTE)) == NOW + 21 * MINUTE
    assert _result(decide(one, NOW + GRACE_FOR_SUCCESSOR)) is Result.IN_USE
    assert isinstance(decide(replace(one, found=holding(LATER)), NOW + 20 * MINUTE), Revoke)


def test_nothing_is_read_or_revoked_before_the_delay_is_over() -> None:
    one = deleted(delay=HOUR, found=None)
    assert isinstance(decide(one, NOW + HOUR - SECOND), Keep)
    assert decide(one, NOW + HOUR) is Look.ALL
    assert decide(replace(one, found=holding(None)), NOW + HOUR) == Revoke(NOW + HOUR + WAIT)


def test_waiting_for_the_delay_looks_whether_the_name_is_wanted() -> None:
    one = deleted(delay=HOUR, found=None, name_wanted=None)
    assert decide(one, NOW) is Look.NAME
    step = decide(replace(one, name_wanted=True), NOW)
    assert _result(step) is Result.ABANDONED
    assert step.reason == "NameWanted"  # type: ignore[union-attr]
    times = [
        _until(decide(replace(one, name_wanted=False, seen=NOW), NOW + age * SECOND)) for age in (0, 1800)
    ]
    assert times == [NOW + 2 * SECOND, NOW + 31 * MINUTE]


def test_a_terminating_namespace_never_waits_longer_than_a_hurry() -> None:
    """Whatever the facts: at the end of the hurry no step keeps the request or tries to revoke any more."""
    delays = (timedelta(), SECOND, 10 * SECOND, LONGEST_IN_A_HURRY, MINUTE, HOUR)
    helds = (None, OURS, LATER, EARLIER)
    deleting = (Policy.ON_DELETE, Policy.ON_REPLACE, Policy.GONE, Policy.UNKNOWN)
    end = NOW + LONGEST_IN_A_HURRY
    for policy, delay, held, replaced in product(deleting, delays, helds, (None, NOW)):
        one = deleted(policy, delay=delay, terminating=True, found=holding(held), replaced_at=replaced)
        step = decide(one, end)
        assert isinstance(step, LetGo) or step == Revoke(end), (policy, delay, held, step)


def test_a_terminating_namespace_lets_go_at_once_of_what_would_be_due_later() -> None:
    step = decide(deleted(terminating=True, delay=HOUR), NOW)
    assert isinstance(step, LetGo)
    assert (step.result, step.reason) == (Result.ABANDONED, "NamespaceTerminating")


def test_in_a_terminating_namespace_the_secret_gets_the_whole_hurry_to_go() -> None:
    one = deleted(terminating=True, found=holding(OURS))
    assert isinstance(decide(one, NOW + LONGEST_IN_A_HURRY - SECOND), Keep)
    assert _result(decide(one, NOW + LONGEST_IN_A_HURRY)) is Result.IN_USE


def test_waiting_begins_when_a_controller_that_was_away_sees_the_deletion() -> None:
    one = deleted(at=NOW - 24 * HOUR, seen=NOW)
    assert decide(one, NOW) == Revoke(NOW + WAIT)


def test_an_issuer_that_is_gone_is_told() -> None:
    step = decide(deleted(Policy.GONE), NOW)
    assert isinstance(step, LetGo)
    assert (step.result, step.reason) == (Result.ABANDONED, "IssuerGone")


def test_an_issuer_that_cannot_be_read_is_waited_for_but_not_for_ever() -> None:
    assert decide(deleted(Policy.UNKNOWN), NOW) == Keep(NOW + WAIT)
    assert _result(decide(deleted(Policy.UNKNOWN), NOW + WAIT)) is Result.ABANDONED


def test_what_is_expired_needs_no_revocation() -> None:
    old = Found(Leaf(1, NOW - 2 * HOUR, NOW), LATER)
    assert _result(decide(deleted(found=old), NOW)) is Result.EXPIRED
    living = facts(Policy.ON_REPLACE, found=old, replaced_at=NOW - HOUR)
    assert _result(decide(living, NOW)) is Result.EXPIRED


def test_a_living_request_is_revoked_when_it_was_replaced_and_the_delay_is_over() -> None:
    one = facts(Policy.ON_REPLACE, replaced_at=NOW, delay=HOUR, found=None)
    assert decide(replace(one, replaced_at=None), NOW) == Keep()
    assert decide(one, NOW) == Keep(NOW + HOUR)
    assert decide(one, NOW + HOUR - MINUTE) == Keep(NOW + HOUR)
    late = NOW + HOUR - MINUTE
    due = replace(one, replaced_at=late - HOUR)
    assert decide(due, late) is Look.ALL
    assert decide(replace(due, found=holding(LATER)), late) == Revoke(None)
    for held in (OURS, None, EARLIER):
        assert isinstance(decide(replace(due, found=holding(held)), late), Keep)


def test_whatever_the_facts_a_certificate_in_use_is_never_revoked() -> None:
    ages = (timedelta(), SECOND, MINUTE, HOUR, 48 * HOUR)
    for policy, age, terminating, wanted, replaced in product(
        Policy, ages, (False, True), (None, False, True), (None, NOW)
    ):
        for base in (facts, deleted):
            one = base(
                policy,
                terminating=terminating,
                name_wanted=wanted,
                replaced_at=replaced,
                found=holding(OURS),
            )
            assert not isinstance(decide(one, NOW + age), Revoke)


def _result(step: object) -> Result | None:
    return step.result if isinstance(step, LetGo) else None


def _why(step: object) -> str:
    return step.why if isinstance(step, LetGo) else ""


def _until(step: object) -> datetime | None:
    return step.until if isinstance(step, Keep) else None
