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


def test_what_was_denied_or_failed_again_for_one_certificate_is_one_with_a_number() -> None:
    recent = Recent()
    recent.add(answer("web-1", "denied", "first", certificate="team-a/web 1"))
    recent.add(answer("api-1", "denied", certificate="team-a/api 2"))
    recent.add(answer("lone", "denied"))
    recent.add(answer("lone", "denied"))
    recent.add(answer("web-1", "denied", "second", certificate="team-a/web 1"))
    recent.add(answer("web-1", "denied", "third", certificate="team-a/web 1"))
    recent.add(answer("web-1", "failed", certificate="team-a/web 1"))
    newest, *others = recent.last("denied")
    assert (newest.request, newest.message, newest.tries) == ("team-a/web-1", "third", 3)
    assert newest.first == newest.at
    assert [(one.request, one.tries) for one in others] == [
        ("team-a/lone", 1),
        ("team-a/lone", 1),
        ("team-a/api-1", 1),
    ]
    assert [one.tries for one in recent.last("failed")] == [1]
    assert recent.totals == {"denied": 6, "failed": 1}


def test_renewals_of_one_certificate_are_no_retries() -> None:
    recent = Recent()
    for number in (1, 2):
        recent.add(answer(f"web-{number}", certificate="team-a/web 1"))
    assert [(one.request, one.tries) for one in recent.last("issued")] == [
        ("team-a/web-2", 1),
        ("team-a/web-1", 1),
    ]


def test_long_messages_are_cut() -> None:
    assert len(shortened("x" * 5000)) == 512
    assert shortened("short") == "short"
