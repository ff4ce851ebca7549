"""Registry of issuers: the health of each right now, and the requests that wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from operator import itemgetter

from issuer.api.issuers import IssuerSpec
from issuer.controller.state.health.bad_answers import NONE_BEFORE, BadAnswersBefore, basis_of
from issuer.controller.state.health.ca_expiry import CAValidity
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.peer_watch import PeerWatch
from issuer.controller.state.health.put_off import PutOffRequests
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.health.tls_memory import TLSMemory
from issuer.controller.state.health.unapproved import UnapprovedRequests
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.reasons import Reason
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request, RequestKey
from issuer.signing.backend import MemoryUse
from issuer.signing.lives import NO_BOUNDS, LifeBounds
from issuer.signing.outcomes import BadAnswer
from issuer.signing.profile import SigningProfile
from issuer.signing.reasons import SigningIssuerReason


class IssuerRegistry:
    """All issuers by key; `wake` puts a waiting request back into the queue.

    `put_off` has the requests that met a passing fault of an issuer that is Ready; `hasten` brings the next
    attempt of one forward. `unapproved` has those that another approver has to approve. A request waits for
    one issuer at a time. `settled` is called when an attempt at a request is over, so that a half-open
    issuer's next request goes when the one that went first neither proved it sound nor found it broken.
    """

    def __init__(
        self,
        wake: Callable[[RequestKey], None],
        hasten: Callable[[RequestKey, float], None] = lambda _key, _seconds: None,
    ) -> None:
        self._wake = wake
        self.put_off = PutOffRequests(hasten)
        self.unapproved = UnapprovedRequests(wake)
        self._entries: dict[IssuerKey, IssuerEntry] = {}
        self._waits_for: dict[RequestKey, IssuerKey] = {}
        self._probing: dict[RequestKey, IssuerKey] = {}
        self._tls = TLSMemory()

    def entry(self, key: IssuerKey) -> IssuerEntry:
        """The entry of that issuer, made empty and not ready when there was none."""
        return self._entries.setdefault(key, IssuerEntry(key))

    def find(self, key: IssuerKey) -> IssuerEntry | None:
        """The entry of that issuer, if it has one."""
        return self._entries.get(key)

    def begin_check(self, key: IssuerKey, uid: str, generation: int) -> IssuerEntry:
        """Return the issuer's entry; what was known of another object or spec is forgotten first."""
        entry = self.entry(key)
        if not entry.describes(uid, generation):
            entry.ready, entry.uid, entry.generation = False, uid, generation
            entry.reason, entry.message = ControllerIssuerReason.PENDING, "it is being checked"
            entry.spec, entry.profile, entry.refused = None, None, None
            entry.ca_validity.clear()
            entry.seen.clear()
            entry.basis = ""
            entry.bad_answers.begin_anew()
            entry.peer = PeerWatch()
        return entry

    def spec_read(self, key: IssuerKey, spec: IssuerSpec, profile: SigningProfile) -> None:
        """Keep the issuer's valid spec and profile: requests are decided by them from now on."""
        entry = self.entry(key)
        entry.spec, entry.profile = spec, profile
        if not entry.external:
            self.unapproved.wake_all(key)  # the policies decide by now

    def approval_checked(self, key: IssuerKey, may_approve: bool) -> None:
        """Keep the answer whether we may approve the issuer's requests, or need not."""
        entry = self.find(key)
        if entry is not None:
            entry.may_approve = may_approve

    def checked(
        self,
        key: IssuerKey,
        ca_validity: dict[bool, CAValidity],
        marks: Iterable[str],
        before: BadAnswersBefore = NONE_BEFORE,
        lives: LifeBounds = NO_BOUNDS,
    ) -> None:
        """Keep what a good check found of the CAs that sign; `mark_ready` follows once its status is decided.

        `marks` is all else whose change lets an issuer with bad answers be tried again, `before` what the
        issuer's status tells of bad answers: the first good check of a process goes on from there.
        """
        entry = self.entry(key)
        entry.found_ca_validity(ca_validity)
        entry.lives = lives
        signers = sorted({life.signer for life in ca_validity.values()})
        basis = basis_of((entry.uid, str(entry.generation), *signers, "", *marks))
        if not entry.basis:
            before.continue_in(entry.bad_answers, basis)
        elif entry.basis != basis:
            entry.bad_answers.begin_anew()
        entry.basis, entry.bad_answers.checked = basis, True

    def life_refused(self, key: IssuerKey, longest: timedelta) -> None:
        """Hold the next requests to the longest life that a refusal told, until the next check."""
        entry = self.find(key)
        if entry is not None:
            entry.lives = entry.lives.learnt(longest)

    def status_refused(self, key: IssuerKey, why: str) -> None:
        """Sign nothing more through this issuer until a status write that was refused goes through."""
        self.entry(key).refused = why
        self.mark_broken(key, ControllerIssuerReason.STATUS_WRITE_REFUSED, why)

    def status_accepted(self, key: IssuerKey) -> bool:
        """Note a status that was written; return True if one had been refused: check the issuer then."""
        entry = self.find(key)
        if entry is None or entry.refused is None:
            return False
        entry.refused = None
        return True

    def answered_elsewhere(self, key: IssuerKey, request: RequestKey) -> bool:
        """Note an answer that this process didn't write, to a request that it had in work; return True if the
        issuer is to be checked for that."""
        entry = self.find(key)
        return entry is not None and entry.peer.suspect(request)

    def status_written(self, key: IssuerKey, reason: str) -> None:
        """Note the reason that this process has left in the issuer's Ready."""
        self.entry(key).peer.status_written(reason)

    def half_open(self, key: IssuerKey, request: RequestKey) -> None:
        """Let a single request try first after the next check, as a signing call found the issuer broken; not
        this one where there is another."""
        entry = self.find(key)
        if entry is not None:
            entry.half_open = True
            entry.broken_by.add(request)

    def begin_signing(self, key: IssuerKey, request: RequestKey) -> None:
        """Note a request that is about to be sent; after a bad answer it is the one that goes first."""
        entry = self.entry(key)
        if entry.bad_answers.error is not None:
            entry.bad_answers.trying = request
            self._probing[request] = key

    def answer_was_bad(
        self, key: IssuerKey, signer: SharedSigner, request: Request, error: BadAnswer
    ) -> None:
        """Note an answer that can't be delivered, to a call of this signer for the request: others wait."""
        entry = self.find(key)
        if entry is None or entry.shared is not signer:
            return  # it is another issuer by now
        entry.bad_answers.note(request.key, request.uid, error, serves_all=not key.namespace)
        if entry.ready or entry.reason == error.reason:
            self.mark_broken(key, error.reason, entry.bad_answers.message(key))
        if entry.bad_answers.used_up:
            self.wake_all(key)  # each says what somebody has to do

    def answer_was_good(self, key: IssuerKey, request: RequestKey, uid: str) -> bool:
        """Note that the CA answered this request; return True if the others follow only now: check the issuer
        then."""
        self.close_circuit(key, request)
        entry = self.entry(key)
        entry.same_answers.answered(request)
        if not entry.bad_answers.good(request, uid):
            return False
        if entry.reason == SigningIssuerReason.BAD_ANSWER:
            self.mark_ready(key)
        return True

    def let_one_try(self, key: IssuerKey) -> None:
        """Wake one request of an issuer with bad answers, if it is time for that."""
        entry = self._entries.get(key)
        if entry is None or entry.bad_answers.trying is not None:
            return
        bad = entry.bad_answers
        # One that had none of the bad answers, and its namespace not all of them, says most about the issuer.
        may = (
            ((not bad.is_beside(one), bad.times(uid)), one, uid)
            for one, uid in entry.waiting.items()
            if not bad.gave_up(uid)
        )
        _order, first, uid = min(may, key=itemgetter(0), default=((False, 0), None, ""))
        if first is not None and bad.may_go_first(first, uid):
            self._probing[first] = key
            self._wake_one(entry, first)

    def known_waiting(self) -> tuple[RequestKey, ...]:
        """The requests that wait for an issuer, or for its approver, or went first to try one."""
        return (*self._waits_for, *self._probing, *self.unapproved.known())

    def wait(self, key: IssuerKey, request: RequestKey, uid: str = "") -> None:
        """Remember that a request waits for this issuer."""
        self.leave(request)
        self.entry(key).waiting[request] = uid
        self._waits_for[request] = key

    def leave(self, request: RequestKey) -> None:
        """Note that the request waits no longer: it is gone, or is being looked at."""
        self.unapproved.discard(request)
        key = self._waits_for.pop(request, None)
        entry = None if key is None else self._entries.get(key)
        if entry is not None:
            entry.waiting.pop(request, None)
            self._tidy(entry)

    def settled(self, request: RequestKey) -> None:
        """Note that an attempt at the request is over; a half-open issuer may try its next one."""
        key = self._probing.pop(request, None)
        entry = None if key is None else self._entries.get(key)
        if entry is None:
            return
        if entry.bad_answers.trying == request:
            entry.bad_answers.trying = None
        if entry.ready and entry.half_open:
            self._wake_probe(entry)
        self.let_one_try(entry.key)

    def mark_broken(self, key: IssuerKey, reason: Reason, message: str) -> None:
        """Note that the issuer can't sign now; its requests wait until a check says otherwise.

        When the reason is news, they look again, so that each says why it waits.
        """
        entry = self.entry(key)
        news = entry.reason != reason
        entry.ready, entry.reason, entry.message = False, reason, message
        if reason != SigningIssuerReason.BAD_ANSWER:
            entry.bad_answers.checked = False
        if news:
            self.wake_all(key)

    def mark_ready(self, key: IssuerKey) -> None:
        """Wake the requests of an issuer that signs, or only one while it is half open."""
        entry = self.entry(key)
        recovered = not entry.ready
        entry.ready, entry.reason, entry.message = True, ControllerIssuerReason.READY, ""
        if entry.half_open:
            self._wake_probe(entry)
            return
        self.wake_all(key)
        if recovered:
            self.put_off.recovered(key)

    def close_circuit(self, key: IssuerKey, request: RequestKey) -> None:
        """Let the others follow: the signing call of this request reached the CA and was answered."""
        entry = self.entry(key)
        self.put_off.served(request, key)
        if entry.half_open:
            entry.half_open = False
            entry.broken_by.clear()
            self.wake_all(key)

    def wake_all(self, key: IssuerKey) -> None:
        """Let every waiting request look again (its issuer appeared, changed or went)."""
        entry = self._entries.get(key)
        if entry is not None:
            for request in list(entry.waiting):
                self._wake_one(entry, request)
            self._tidy(entry)

    def _wake_probe(self, entry: IssuerEntry) -> None:
        entry.broken_by.intersection_update(entry.waiting)
        first = min(entry.waiting, key=entry.broken_by.__contains__, default=None)
        if first is not None:
            self._probing[first] = entry.key
            self._wake_one(entry, first)

    def _wake_one(self, entry: IssuerEntry, request: RequestKey) -> None:
        del entry.waiting[request]
        self._waits_for.pop(request, None)
        self._wake(request)

    def _tidy(self, entry: IssuerEntry) -> None:
        """Anyone can name an issuer that isn't there: keep nothing of it when nobody waits."""
        if not entry.uid and not entry.waiting:
            self._entries.pop(entry.key, None)

    async def forget(self, key: IssuerKey) -> None:
        """Drop the signer of an issuer that is gone; whoever waits looks again and says so."""
        entry = self._entries.pop(key, None)
        self._tls.forget(key)
        self.unapproved.wake_all(key)
        if entry is None:
            return
        for request in list(entry.waiting):
            self._wake_one(entry, request)
        if entry.shared is not None:
            await entry.shared.retire()

    def use_tls(self, key: IssuerKey, use: MemoryUse) -> None:
        """Count what the issuer's TLS takes. Raises IssuerBroken where its namespace has no room for it."""
        self._tls.use(key, use)

    async def use_signer(self, key: IssuerKey, shared: SharedSigner) -> None:
        """Replace the issuer's signer."""
        entry = self.entry(key)
        old, entry.shared = entry.shared, shared
        if old is not None and old is not shared:
            await old.retire()

    async def drop_signer(self, key: IssuerKey, shared: SharedSigner, why: str) -> None:
        """Use that signer no more, and none until a check has opened another: the issuer's requests wait."""
        entry = self.find(key)
        if entry is None or entry.shared is not shared:
            return  # it is another signer by now
        entry.shared, entry.ready, entry.bad_answers.checked = None, False, False
        entry.reason, entry.message = ControllerIssuerReason.CHANGED, why
        await shared.retire()

    async def close(self) -> None:
        """Retire every signer."""
        for entry in self._entries.values():
            if entry.shared is not None:
                await entry.shared.retire()
