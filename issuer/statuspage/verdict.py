"""The most important facts, a sentence each: first on the page, and often all that is read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from issuer.statuspage.html import span
from issuer.statuspage.model import Issuer
from issuer.statuspage.snapshot import Snapshot
from issuer.text import counted, first_of

Level = Literal["good", "warn", "bad", "quiet"]

CA_BAD: Final = timedelta(days=7)
CA_WARN: Final = timedelta(days=30)
_NAMED = 3
_THEIRS = {
    True: "Its requests wait, and are issued once it is Ready again.",
    False: "Their requests wait, and are issued once they are Ready again.",
}


class Notice(NamedTuple):
    """A fact that needs to be known. `headline` has no number that keeps changing, as it is read aloud."""

    level: Level
    headline: str
    detail: str


def notices(snapshot: Snapshot) -> list[Notice]:
    """Return all notices, the worst first; never empty."""
    replica = snapshot.replica
    if replica.role == "stands by":
        return [_standing_by(replica.leader)]
    found = [*_starting(replica.late), *_issuers(snapshot), *_certificates(snapshot), *_waiting(snapshot)]
    if found:
        order: list[Level] = ["bad", "warn", "good", "quiet"]
        return sorted(found, key=lambda one: order.index(one.level))
    return [Notice("good", "All is well", _all_well(snapshot))]


def _standing_by(leader: str) -> Notice:
    if not leader:
        return Notice("quiet", "This replica stands by", "No replica leads yet.")
    pod = leader.rpartition("_")[0] or leader
    return Notice(
        "quiet",
        "This replica stands by",
        f"{pod} leads and has the page with all of it (kubectl port-forward pod/{pod}).",
    )


def _starting(late: Sequence[str]) -> Iterator[Notice]:
    if late:
        yield Notice("warn", "Not everything has been listed yet", f"Still to come: {', '.join(late)}.")


def _issuers(snapshot: Snapshot) -> Iterator[Notice]:
    issuers = snapshot.issuers
    broken = [one for one in issuers if one.ready is False]
    if broken:
        be = "is" if len(broken) == 1 else "are"
        yield Notice(
            "bad",
            f"{counted(len(broken), 'issuer')} of {len(issuers)} {be} not Ready",
            f"{_names(broken)}. {_THEIRS[len(broken) == 1]}",
        )
    sick = [one for one in issuers if one.canary and not one.canary[-1].well]
    if sick:
        stages = ", ".join(sorted({one.canary[-1].stage for one in sick}))
        yield Notice("bad", f"{_canaries(len(sick))} broke", f"{_names(sick)}, at the stage {stages}.")
    yield from _ca_ends(snapshot)
    warned = [one for one in issuers if one.warnings]
    if warned:
        yield Notice("warn", f"{counted(len(warned), 'issuer')} with a warning", f"{_names(warned)}.")


def _canaries(number: int) -> str:
    return "A canary" if number == 1 else f"{number} canaries"


def _ca_ends(snapshot: Snapshot) -> Iterator[Notice]:
    ends = [(one.ca_ends - snapshot.at, one) for one in snapshot.issuers if one.ca_ends is not None]
    soon = sorted((left, one.key) for left, one in ends if left < CA_WARN)
    if soon:
        left, key = soon[0]
        level: Level = "bad" if left < CA_BAD else "warn"
        if left <= timedelta():
            yield Notice(level, "A CA has expired", f"{key}: nothing can be issued by it. Rotate it.")
        else:
            yield Notice(level, "A CA expires soon", f"{key}: in {span(left)}. Rotate it.")


def _certificates(snapshot: Snapshot) -> Iterator[Notice]:
    expiring = snapshot.expiring
    if isinstance(expiring, str):
        return
    if expiring.ended:
        yield Notice(
            "bad", "Certificates have expired without a renewal", f"{counted(expiring.ended, 'certificate')}."
        )
    if expiring.overdue:
        yield Notice(
            "warn",
            "Renewals are overdue",
            f"{counted(expiring.overdue, 'certificate')} past the time of renewal.",
        )


def _waiting(snapshot: Snapshot) -> Iterator[Notice]:
    if snapshot.waiting:
        yield Notice(
            "warn", "Requests wait", f"{counted(snapshot.waiting, 'request')}, each with its reason below."
        )


def _all_well(snapshot: Snapshot) -> str:
    issuers = len(snapshot.issuers)
    if not issuers:
        return "There is no issuer yet, and nothing waits."
    ready = "The issuer is Ready" if issuers == 1 else f"All {issuers} issuers are Ready"
    return f"{ready}, and nothing waits."


def _names(issuers: Sequence[Issuer]) -> str:
    return first_of([one.key for one in issuers], _NAMED)


def ca_level(left: timedelta) -> Level:
    """Return how urgent a CA's remaining time is."""
    return "bad" if left < CA_BAD else "warn" if left < CA_WARN else "good"
