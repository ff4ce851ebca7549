"""The step that is due for a request with our finalizer: a pure function of facts and the time.

Two promises go before all others: a certificate that the Secret of its Certificate still holds is never
revoked, and a request that is being deleted is let go after a bounded wait, whatever the backend says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final

from issuer.controller.revocation.reasons import NotRevokedReason
from issuer.reasons import Reason

LONGEST_IN_A_HURRY: Final = timedelta(seconds=20)
"""How long a deleted request is kept at most when its namespace is deleted too, or its name is wanted again.

The namespace controller looks every 8 seconds at what is left: with its first 5 that makes some 35 seconds.
"""

GRACE: Final = timedelta(seconds=10)
"""A Secret that is deleted together with its request may go a little later."""

GRACE_FOR_SUCCESSOR: Final = timedelta(hours=1)
"""How long a deleted request waits for its Secret while cert-manager issues a new certificate for it.

It prunes the old request as soon as the new one exists, which may not be answered for long.
"""

_SOONEST: Final = timedelta(seconds=2)
_LATEST: Final = timedelta(seconds=60)


class Policy(StrEnum):
    """`spec.revocation.policy` of the issuer as it is now; GONE: no issuer; UNKNOWN: it can't be read."""

    NEVER = "Never"
    ON_DELETE = "OnDelete"
    ON_REPLACE = "OnReplace"
    GONE = "Gone"
    UNKNOWN = "Unknown"


class Result(StrEnum):
    """The end of a revocation, as the metric counts it; NOTHING is not counted."""

    NOTHING = "nothing"
    REVOKED = "revoked"
    IN_USE = "in_use"
    NOT_REPLACED = "not_replaced"
    EXPIRED = "expired"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Leaf:
    """The fields of a certificate that count."""

    serial: int
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """Certificates that were read: the request's, and the one in the Secret (None: none)."""

    leaf: Leaf
    in_secret: Leaf | None

    @property
    def in_use(self) -> bool:
        """True if the Secret holds the request's own certificate."""
        return self.in_secret is not None and self.in_secret.serial == self.leaf.serial

    @property
    def replaced(self) -> bool:
        """True if the Secret holds another one, issued later (or in the same second)."""
        return (
            self.in_secret is not None
            and not self.in_use
            and self.in_secret.not_before >= self.leaf.not_before
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the plan depends on but the time.

    `seen` is when this process first saw the deletion: waiting begins there, so that a controller that was
    away still tries. `replaced_at` is when a later request of the same Certificate was issued.
    `terminating`: the namespace is being deleted. `name_wanted`: cert-manager waits to make a request of
    this name; None while nobody looked. `issuing`: it issues a new certificate for the same Secret.
    `found` is None while nothing was read.
    """

    policy: Policy
    delay: timedelta
    wait: timedelta
    issued: bool
    deleted_at: datetime | None = None
    seen: datetime | None = None
    replaced_at: datetime | None = None
    terminating: bool = False
    name_wanted: bool | None = None
    issuing: bool = False
    found: Found | None = None

    @property
    def due(self) -> datetime | None:
        """The time at which revoking may begin; None while nothing calls for it."""
        if self.policy is Policy.ON_REPLACE and self.replaced_at is not None:
            return self.replaced_at + self.delay
        return None if self.deleted_at is None else self.deleted_at + self.delay

    @property
    def deadline(self) -> datetime | None:
        """The time at which a deleted request is let go in any case; None while it isn't deleted."""
        if self.deleted_at is None:
            return None
        if self.terminating or self.name_wanted:
            return (self.seen or self.deleted_at) + min(self.wait, LONGEST_IN_A_HURRY)
        return self._waits_from + self.wait

    @property
    def grace_ends(self) -> datetime:
        """Until when a deleted request waits for its Secret to go, or to be written anew."""
        if (self.terminating or self.name_wanted) and self.deadline is not None:
            return self.deadline
        return self._waits_from + (GRACE_FOR_SUCCESSOR if self.issuing else GRACE)

    @property
    def _waits_from(self) -> datetime:
        times = [one for one in (self.due, self.deleted_at, self.seen) if one is not None]
        return max(times)


class Look(Enum):
    """Reads that are needed before more can be decided."""

    NAME = "whether the request's name is wanted"
    ALL = "the certificate, the Secret, and whether the name is wanted"


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep the request as it is until then; None: until something changes."""

    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revoke:
    """Revoke now; when that fails, again until `deadline` (None: for as long as it takes)."""

    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class LetGo:
    """Take the finalizer off: what it came to, the reason for logs, and `why`, a sentence for people."""

    result: Result
    reason: Reason | None = None
    why: str = ""


Step = Look | Keep | Revoke | LetGo


def decide(facts: Facts, now: datetime) -> Step:
    """The next step for one request that carries our finalizer."""
    if facts.policy is Policy.NEVER:
        return LetGo(
            Result.NOTHING, NotRevokedReason.POLICY_NEVER, "the issuer's revocation policy is Never now"
        )
    if facts.deleted_at is None:
        return _living(facts, now)
    if not facts.issued:
        return LetGo(Result.NOTHING, NotRevokedReason.NO_CERTIFICATE, "it has no certificate")
    return _deleted(facts, now)


def _living(facts: Facts, now: datetime) -> Step:
    """Decide for a request that is not deleted: only a replaced certificate is of interest."""
    due = facts.due
    if facts.policy is not Policy.ON_REPLACE or not facts.issued or facts.terminating or due is None:
        return Keep()
    if now < due:
        return Keep(due)
    if facts.found is None:
        return Look.ALL
    if facts.found.leaf.not_after <= now:
        return LetGo(Result.EXPIRED)
    # The Secret is written a moment after the request is answered, or not at all.
    return Revoke(None) if facts.found.replaced else _look_again(due, now)


def _deleted(facts: Facts, now: datetime) -> Step:
    due, deadline = facts.due, facts.deadline
    if due is None or deadline is None:
        raise AssertionError("a deleted request is due at some time")
    if facts.policy is Policy.GONE:
        return LetGo(
            Result.ABANDONED, NotRevokedReason.ISSUER_GONE, "its issuer is gone, so nobody can revoke it"
        )
    if facts.policy is Policy.UNKNOWN:
        if now >= deadline:
            return LetGo(
                Result.ABANDONED, NotRevokedReason.ISSUER_UNREADABLE, "its issuer's spec can't be read"
            )
        return Keep(deadline)
    if facts.terminating and due > deadline:
        why = "its namespace is being deleted, which must not wait for spec.revocation.delay"
        return LetGo(Result.ABANDONED, NotRevokedReason.NAMESPACE_TERMINATING, why)
    if now < due:
        return _before_due(facts, now, due, deadline)
    if facts.found is None:
        return Look.ALL
    return _decide_by_evidence(facts, facts.found, now, deadline)


def _before_due(facts: Facts, now: datetime, due: datetime, deadline: datetime) -> Step:
    if facts.name_wanted is None:
        return Look.NAME
    if facts.name_wanted and due > deadline:
        why = "cert-manager needs its name for a new request, which must not wait for spec.revocation.delay"
        return LetGo(Result.ABANDONED, NotRevokedReason.NAME_WANTED, why)
    return _look_again(facts.seen, now, due)


def _decide_by_evidence(facts: Facts, found: Found, now: datetime, deadline: datetime) -> Step:
    if found.leaf.not_after <= now:
        return LetGo(Result.EXPIRED)
    if found.replaced if facts.policy is Policy.ON_REPLACE else not found.in_use:
        return Revoke(deadline)
    hopeless = facts.terminating and facts.policy is Policy.ON_REPLACE  # no successor can come any more
    if now < facts.grace_ends and not hopeless:
        return _look_again(facts.seen, now, facts.grace_ends)
    if found.in_use:
        return LetGo(Result.IN_USE, NotRevokedReason.IN_USE, "the Secret of its Certificate still holds it")
    return LetGo(
        Result.NOT_REPLACED, NotRevokedReason.NOT_REPLACED, "no later certificate has taken its place"
    )


def _look_again(since: datetime | None, now: datetime, latest: datetime | None = None) -> Keep:
    """Often at first, as what changes at all changes soon."""
    again = now + min(max((now - (since or now)) / 4, _SOONEST), _LATEST)
    return Keep(again if latest is None else min(latest, again))
