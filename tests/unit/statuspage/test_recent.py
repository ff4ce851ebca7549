"""The last answers are few, whatever comes, and the last minute is told by the second."""

from __future__ import annotations

from issuer.statuspage.recent import KEPT, SECONDS, Recent, shortened
from tests.unit.statuspage.facts import answer


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_flood_of_one_outcome_pushes_none_of_the_others_out() -> None:
    recent = Recent()
    recent.add(answer("denied", "denied"))
    for number in range(KEPT * 3):
        recent.add(answer(f"r{number}"))
    assert [one.request for one in recent.last("denied")] == ["team-a/denied"]
    assert len(recent.last("issued")) == KEPT
    assert recent.last("issued")[0].request == f"team-a/r{KEPT * 3 - 1}"
    assert recent.totals == {"denied": 1, "issued": KEPT * 3}


def test_certificates_are_counted_in_the_second_they_came_in() -> None:
    clock = Clock()
    recent = Recent(clock)
    for _ in range(3):
        recent.add(answer("a"))
    recent.add(answer("b", "failed"))
    assert sum(recent.per_second()) == 0  # the second still runs
    clock.now += 1
    assert recent.per_second()[-1] == 3
    clock.now += 10
    recent.add(answer("c"))
    clock.now += 1
    found = recent.per_second()
    assert (len(found), found[-1], found[-12]) == (SECONDS, 1, 3)


def test_a_long_silence_leaves_nothing_of_the_minute_before() -> None:
    clock = Clock()
    recent = Recent(clock)
    recent.add(answer("a"))
    clock.now += 10_000
    assert recent.per_second() == (0,) * SECONDS


def test_long_messages_are_cut() -> None:
    assert len(shortened("x" * 5000)) == 512
    assert shortened("short") == "short"
