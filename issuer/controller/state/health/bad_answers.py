"""Answers of one issuer's CA that could not be delivered: how often, and which request may be signed next.

After a bad answer nothing is signed until a check is good and a pause is over; then one request goes first,
and the others follow a good answer. After `MOST` of them in a row nothing more is signed until `begin_anew`:
every try may leave a certificate that nobody has. The last of these tries is for another request than the
first ones, where all of them were one request's: only that tells the issuer's fault from the request's. So
it is with a namespace, of an issuer that serves all: where all tries were for requests of one, a request of
another has one more, and waits for the first pause alone.

The count stands in the issuer's status, too (`count`, `restore`), so that it outlives the process.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from issuer.api.bad_answers import MAX_REQUESTS, BadAnswersStatus, RequestBadAnswers
from issuer.bounded import LruCache
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import AnswerFault, BadAnswer

PAUSES: Final = (5.0, 300.0)
"""Seconds from a bad answer to the next signing, after the first and after the second: long enough for a
restart of the CA's server, and then for a person's look."""

MOST: Final = len(PAUSES) + 1
"""Signings in a row for one cause, and for one request."""

RETRY_ANNOTATION: Final = "vault-issuer.io/retry-requested-at"
"""Annotation of an issuer whose change, whatever its value, lets one request try again."""

_REMEMBERED: Final = 1_000
"""Requests whose bad answers are counted, of one issuer."""

_NOT_KNOWN: Final = ""
"""In the place of a request's uid: bad answers of which only the issuer's reason tells."""

_BEFORE: Final = BadAnswer(
    AnswerFault.LOST,
    "before this process began, signing calls had answers that can't be delivered; the log of that time says "
    "which",
)


@dataclass(slots=True, eq=False)
class BadAnswers:
    """Bad answers of one issuer since the last good one; none at first.

    `error` is the last of them, None while all is well. `tries` counts those that were made one after the
    other: what was in flight beside the first counts as one. `checked` is set once a check has found the
    issuer sound since, `trying` is the request that goes first, and `alone` the uid of the one that had all
    bad answers, None if several had; `alone_in` the namespace of all of them, of an issuer that serves all.
    `clocks_differed` is set once a check saw the CA's clock differ from
    ours behind an answer that was bad for its time.
    """

    error: BadAnswer | None = None
    clock: Callable[[], float] = time.monotonic
    tries: int = 0
    checked: bool = False
    trying: RequestKey | None = None
    alone: str | None = None
    alone_in: str | None = None
    clocks_differed: bool = False
    _next: float = 0.0
    _next_beside: float = 0.0
    _of_request: LruCache[str, int] = field(default_factory=lambda: LruCache(_REMEMBERED))

    @property
    def used_up(self) -> bool:
        """True if nothing more is signed until `begin_anew`, but for a request beside `alone_in`."""
        return self.error is not None and self.tries >= MOST and not self.alone

    @property
    def waits_for_another(self) -> bool:
        """True if one request had all bad answers, and the last try is kept for another."""
        return self.error is not None and self.tries >= MOST - 1 and bool(self.alone)

    @property
    def wait(self) -> float | None:
        """Seconds until a request may go first; None if none may, or all may."""
        return None if self.error is None or self.used_up else max(0.0, self._next - self.clock())

    def note(self, request: RequestKey, uid: str, error: BadAnswer, *, serves_all: bool = False) -> None:
        """Record a bad answer to a signing call for this request; `serves_all`: of an issuer for all."""
        self._of_request.put(uid, self.times(uid) + 1)
        place = request.namespace if serves_all and request.namespace else None
        if self.error is None or self.alone == _NOT_KNOWN:
            self.alone, self.alone_in = uid, place
        else:
            self.alone = uid if self.alone == uid else None
            self.alone_in = place if self.alone_in == place else None
        if self.error is not None and self.trying != request:
            return  # it was in flight beside the one that was counted
        self.error, self.trying, self.checked = error, None, False
        self.tries += 1
        self._pause()

    def _pause(self) -> None:
        self._next_beside = self.clock() + PAUSES[0]
        self._next = self.clock() + PAUSES[min(self.tries, len(PAUSES)) - 1]

    def count(self, basis: str) -> BadAnswersStatus | None:
        """Return what the status is to say; None where there is nothing to count.

        `basis` stands for all whose change makes it begin anew. Of many requests those with most are named.
        """
        if self.error is None and not len(self._of_request):
            return None
        requests = sorted(self._of_request.items(), key=lambda item: (-item[1], item[0]))[:MAX_REQUESTS]
        return BadAnswersStatus(
            basis=basis,
            in_a_row=self.tries,
            only_request=self.alone or None,
            only_namespace=self.alone_in,
            requests=tuple(RequestBadAnswers(uid=uid, times=times) for uid, times in requests),
        )

    def in_status(self, basis: str) -> dict[str, Any] | None:
        """Return the status field `badAnswers`, empty where there is nothing to count; None before a good
        check of this process, when there is no basis yet."""
        if not basis:
            return None
        counted = self.count(basis)
        return {} if counted is None else counted.to_json()

    def restore(self, counted: BadAnswersStatus) -> None:
        """Go on where another process stopped, by what it left in the status."""
        for one in counted.requests:
            self._of_request.put(one.uid, one.times)
        if counted.in_a_row:
            self.error, self.tries, self.alone = _BEFORE, counted.in_a_row, counted.only_request
            self.alone_in = counted.only_namespace
            self._pause()

    def resume(self) -> None:
        """Go on where another process stopped and left no count: one request goes first, once."""
        self.error, self.tries, self.alone = _BEFORE, MOST - 1, _NOT_KNOWN

    def good(self, request: RequestKey, uid: str) -> bool:
        """Note a good answer; return True if it is the one that lets the others follow."""
        self._of_request.pop(uid)
        if self.error is None or self.trying != request:
            return False
        self._end()
        return True

    def begin_anew(self) -> None:
        """Forget all: the issuer or its CA is another one, or somebody asked for another try."""
        self._end()
        self._of_request.clear()

    def _end(self) -> None:
        self.error, self.trying, self.tries, self.alone, self.alone_in = None, None, 0, None, None
        self.clocks_differed = False

    def clocks_compared(self, *, differ: bool) -> None:
        """Begin anew once clocks agree again, if they differed behind an answer that was bad for its time."""
        if self.error is None or self.error.fault is not AnswerFault.BAD_TIME:
            return
        if differ:
            self.clocks_differed = True
        elif self.clocks_differed:
            self.begin_anew()

    def may_go_first(self, request: RequestKey, uid: str) -> bool:
        """Return True if this request may be signed to see whether answers are good again."""
        if self.error is None or not self.checked:
            return False
        beside = self.is_beside(request)
        if (self.used_up and not beside) or self.clock() < (self._next_beside if beside else self._next):
            return False
        if self.waits_for_another and uid == self.alone:
            return False
        return self.trying is None or self.trying == request

    def is_beside(self, request: RequestKey) -> bool:
        """Return True if all bad answers were for requests of one namespace, and this one is of another."""
        return self.alone_in is not None and request.namespace != self.alone_in

    def gave_up(self, uid: str) -> bool:
        """Return True if this request had `MOST` bad answers itself, so that it isn't signed any more."""
        return self.times(uid) >= MOST

    def times(self, uid: str) -> int:
        """Return how many bad answers there were for this request."""
        return self._of_request.get(uid) or 0

    def message(self, issuer: IssuerKey) -> str:
        """Return what went wrong, what happens next, and how to have it tried again."""
        if self.error is None:
            raise AssertionError("there is a bad answer")
        if self.waits_for_another:
            return (
                f"{self.error.message}. Nothing more is signed for now: {MOST - 1} of {MOST} tries are made, "
                "all for one request, and another goes first when it comes. To have this one tried again: "
                f"{retry_command(issuer)}"
            )
        if not self.used_up:
            return (
                f"{self.error.message}. Nothing more is signed for now: one request goes first after a pause "
                f"({self.tries} of {MOST} tries were made), and the others follow once it has its certificate"
            )
        these = (
            f", each time for a request of namespace {self.alone_in}, so nothing more is signed for these, "
            "and one of another namespace goes first when it comes"
            if self.alone_in
            else ", so nothing more is signed"
        )
        return (
            f"{self.error.message}. That happened {self.tries} times in a row{these}. Correct that, then "
            f"have it tried again: {retry_command(issuer)}"
        )


@dataclass(frozen=True, slots=True)
class BadAnswersBefore:
    """Bad answers of an issuer as its status tells of them: the count, or the reason alone."""

    counted: BadAnswersStatus | None = None
    by_reason: bool = False

    def continue_in(self, bad_answers: BadAnswers, basis: str) -> None:
        """Go on from there, unless the count is another basis's."""
        if self.counted is None and self.by_reason:
            bad_answers.resume()
        elif self.counted is not None and self.counted.basis == basis:
            bad_answers.restore(self.counted)


NONE_BEFORE: Final = BadAnswersBefore()


def basis_of(parts: Iterable[str]) -> str:
    """Return a SHA-256, in hex, that is another when one of these parts is."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def given_up(issuer: IssuerKey) -> str:
    """Return why a request that had `MOST` bad answers itself waits, and how to have it tried again."""
    return (
        f"{MOST} signing calls for this request had answers that can't be delivered (the controller's log "
        "names each), so it isn't signed again; others are. Ask for a new certificate, or have it tried "
        f"again: {retry_command(issuer)}"
    )


def retry_command(issuer: IssuerKey) -> str:
    """Return the command that lets a request of this issuer try again."""
    where = f" -n {issuer.namespace}" if issuer.namespace else ""
    return (
        f"kubectl annotate {issuer.typed_kind} {issuer.name}{where} --overwrite "
        f'{RETRY_ANNOTATION}="$(date -u +%FT%TZ)"'
    )
