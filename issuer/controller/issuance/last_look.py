"""The last look at what a request was approved by, before the bytes of its signing call are written.

Seconds can pass between an approval and the call: a login, a connection, a Vault that is slow. What ended
meanwhile, as far as the watches have shown it, must not be used any more. Asking the API server here would
take time in which the next thing ends, so nothing is asked: an answer that is too old has the request judged
anew, and that asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.controller.approval.approver import Approval, Approver
from issuer.controller.issuance.kind_checks import KindChecks
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.outcomes import NeedsRoom, Outcome, Outdated, RequestFailed, RetryLater
from issuer.controller.state.reasons import ControllerFailure, ControllerRetry
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.requests.request import Request, RequestKey
from issuer.text import clip

MAX_STORED: Final = 768 << 10
"""Bytes of a request that may be signed. etcd takes 1.5 MiB for an object by default; the certificate and its
chain have 512 KiB of PEM at most (`MAX_BUNDLE_BYTES`), 683 KiB in base64."""

LARGE: Final = 128 << 10
"""Bytes of a request that, with its certificate, may be more than an API server stores whose limit somebody
lowered. Only room for a failure that is stored beforehand makes sure that it is signed once, by whichever
process. Usual ones have 5 KiB, and are not written once more for that."""

_MAX_WHY: Final = 300  # characters of an API server's answer in a failure, for which room is kept

_LEASE_TOO_SHORT = RetryLater(
    ControllerRetry.LEASE_NOT_HELD, "the Lease does not last until an answer must have come", report=False
)

_TOO_MANY_HELD = RetryLater(
    ControllerRetry.CERTIFICATES_HELD, "what its issuer has signed is not written yet", report=False
)


class NotSent(Exception):
    """A call of which no byte was sent; `outcome` is that of the attempt."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A request that may be signed, with all that this was decided by.

    `version` is uid and generation of the issuer as it was when the policies were asked, `shared` the signer
    then, and `began` when the first question about it was asked (`time.monotonic`).
    """

    request: Request
    entry: IssuerEntry
    version: tuple[str, int]
    shared: SharedSigner
    approval: Approval
    began: float


def too_large(why: str) -> RequestFailed:
    """Return the answer of a request to which no certificate can be written."""
    return RequestFailed(
        "the request is so large that the API server could not store it with its certificate: "
        f"{clip(why, _MAX_WHY)}. Ask again with fewer labels, annotations, owners and usages",
        ControllerFailure.REQUEST_TOO_LARGE,
    )


@dataclass(slots=True, eq=False)
class LastLook:
    """Compares what a request was judged by with what is known now. `may_sign` asks for the Lease."""

    stores: Mapping[type[Request], RequestStore]
    issuers: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    approver: Approver
    checks: Mapping[type[Request], KindChecks]
    may_sign: Callable[[RequestKey], bool]
    limits: Limits
    clock: Callable[[], float] = time.monotonic

    def take(self, judged: Judged) -> None:
        """Raise NotSent if the request must not be sent, or not by this judgement."""
        if not self.may_sign(judged.request.key):
            raise NotSent(_LEASE_TOO_SHORT)
        stored = self.stores[type(judged.request)].stored(judged.request)
        if stored > MAX_STORED:
            raise NotSent(too_large(f"it has {stored} bytes, and at most {MAX_STORED} are signed"))
        if stored > LARGE and not judged.request.keeps_room:
            raise NotSent(NeedsRoom(stored))
        if not self.limits.limiter(judged.entry.key).has_room(judged.request.key):
            raise NotSent(_TOO_MANY_HELD)
        changed = self._changed(judged)
        if changed is not None:
            raise NotSent(Outdated(changed))

    def _changed(self, judged: Judged) -> str | None:
        request = judged.request
        if not self.stores[type(request)].is_unchanged(request):
            return "the request"
        if not self._issuer_is_unchanged(judged):
            return "its issuer"
        changed = self.approver.changed(request, judged.approval)
        if changed is not None:
            return changed
        approves, age = judged.approval.message is not None, self.clock() - judged.began
        if not self.checks[type(request)].still_may(request, approves=approves, age=age):
            return "a right that it needs, or the answer about it is old"
        return None

    def _issuer_is_unchanged(self, judged: Judged) -> bool:
        """Compare with the object that the watch showed, and with what a check or another call found."""
        key, entry = judged.entry.key, judged.entry
        return (
            self.issuers[key.kind].version(key) == judged.version == entry.version
            and self.registry.find(key) is entry
            and entry.shared is judged.shared
            and entry.signs(judged.request)
            and entry.may_approve
        )
