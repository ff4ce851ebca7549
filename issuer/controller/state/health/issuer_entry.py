"""The health of one issuer, as the registry keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from issuer.api.issuers import IssuerSpec
from issuer.controller.state.health.bad_answers import BadAnswers
from issuer.controller.state.health.ca_expiry import CAValidity, LongestIssued
from issuer.controller.state.health.peer_watch import PeerWatch
from issuer.controller.state.health.same_answers import SameAnswers
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.reasons import Reason
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request, RequestKey
from issuer.signing.lives import NO_BOUNDS, LifeBounds
from issuer.signing.profile import SigningProfile

# A role gives every certificate the same differences, and an event each would leave no room for others.
REPORT_AGAIN = timedelta(hours=1)


@dataclass(slots=True, eq=False)
class IssuerEntry:
    """The health of one issuer as the last check left it. Read it; the registry's methods change it.

    `uid` and `generation` tell which object was checked: a request uses the entry only while they are those
    of the object that the API server has now. `half_open` is set when a signing call found the issuer broken
    although the check had passed: then a single request tries first, and the others follow it, those in
    `broken_by` last: their calls found it broken, which may be their own doing. `may_approve`
    is False where we may not set Approved or Denied for its requests but would have to. `refused` says which
    status write with a signed certificate the API server refused: until it goes through, nothing is signed.
    `ca_validity` is that of the CAs that sign, as the check found them, `seen` of others that certificates
    came back from (a role may name its CA itself), and `longest_issued` the longest life that they were asked
    for and signed, by whether a CA certificate is asked for. `reported` holds when each set of differences
    had its last event.
    `bad_answers` holds back signing after an answer that could not be delivered; it begins anew where
    `basis` changes, a hash of the generation and of what a check found that would make a difference to it.
    `same_answers` finds requests that meet the same fault at each try. `lives` are the CA's bounds, and
    `waiting` the uids of the requests that wait. `peer` is what is known of another controller that answers
    the issuer's requests.
    """

    key: IssuerKey
    uid: str = ""
    generation: int = 0
    spec: IssuerSpec | None = None
    profile: SigningProfile | None = None
    shared: SharedSigner | None = None
    ready: bool = False
    reason: Reason = ControllerIssuerReason.PENDING
    message: str = "it has not been checked yet"
    half_open: bool = False
    broken_by: set[RequestKey] = field(default_factory=set)
    may_approve: bool = True
    refused: str | None = None
    ca_validity: dict[bool, CAValidity] = field(default_factory=dict)
    seen: dict[bool, CAValidity] = field(default_factory=dict)
    longest_issued: dict[bool, LongestIssued] = field(
        default_factory=lambda: {False: LongestIssued(), True: LongestIssued()}
    )
    reported: dict[frozenset[str], datetime] = field(default_factory=dict)
    bad_answers: BadAnswers = field(default_factory=BadAnswers)
    same_answers: SameAnswers = field(default_factory=SameAnswers)
    basis: str = ""
    lives: LifeBounds = NO_BOUNDS
    waiting: dict[RequestKey, str] = field(default_factory=dict)
    peer: PeerWatch = field(default_factory=PeerWatch)

    def is_news(self, differences: frozenset[str], now: datetime) -> bool:
        """Return True if these differences had no event for a while; they count as reported then."""
        last = self.reported.get(differences)
        if not differences or (last is not None and now - last < REPORT_AGAIN):
            return False
        self.reported[differences] = now
        return True

    def found_ca_validity(self, validity: dict[bool, CAValidity]) -> None:
        """Keep what a check found. What was seen beside a CA that another has replaced is out of date."""
        for is_ca, life in validity.items():
            before = self.ca_validity.get(is_ca)
            if before is None or before.signer != life.signer:
                self.seen.pop(is_ca, None)
        self.ca_validity = validity

    def saw_ca_validity(self, life: CAValidity, *, is_ca: bool) -> None:
        """Note that a certificate came back from this CA."""
        known = self.ca_validity.get(is_ca)
        if known is not None and known.signer == life.signer:
            self.seen.pop(is_ca, None)
        else:
            self.seen[is_ca] = life

    @property
    def current_ca_validity(self) -> dict[bool, CAValidity]:
        """The validity of the CAs that sign, as far as is known, by whether CA certificates are signed."""
        return {**self.ca_validity, **self.seen}

    @property
    def external(self) -> bool:
        """True if another approver goes first."""
        return self.spec is not None and self.spec.approval == "External"

    def signs(self, request: Request) -> bool:
        """Return True if this request may be sent to the CA now."""
        may = self.ready or self.bad_answers.may_go_first(request.key, request.uid)
        return may and self.shared is not None and not self.bad_answers.gave_up(request.uid)

    @property
    def changed(self) -> bool:
        """True if the issuer is not Ready only since a Secret of it changed: a check begins at once."""
        return not self.ready and self.reason is ControllerIssuerReason.CHANGED

    @property
    def signs_some(self) -> bool:
        """True if any request may be sent to the CA now, be it one alone."""
        return self.ready or self.bad_answers.checked

    @property
    def version(self) -> tuple[str, int]:
        """Return uid and generation of the object that this entry was made from."""
        return self.uid, self.generation

    def describes(self, uid: str, generation: int) -> bool:
        """Return True if this entry was made from that very object and spec."""
        return (self.uid, self.generation) == (uid, generation)
