"""The handler of the watch that counts certificates by the Certificate they were issued for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from issuer.controller.renewals.loops import Owner, RenewalLoops
from issuer.controller.state.watched.certificates import CertificateStore
from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import ready_of
from issuer.requests.request import Request, RequestKey
from issuer.text import read_time


def owner_of(request: Request) -> Owner | None:
    """Return the Certificate that a request was made for; None if it names none."""
    certificate = request.certificate
    if certificate is None:
        return None
    meta = certificate["metadata"]
    return Owner(meta["namespace"], meta["name"], meta["uid"])


class IssuedRequests(Store[RequestKey]):
    """Tells `loops` of each CertificateRequest that has its certificate; keeps nothing itself.

    It counts what the API server has: after a start, requests that cert-manager has deleted since
    (`revisionHistoryLimit`) are forgotten.
    """

    def __init__(
        self,
        loops: RenewalLoops,
        certificates: CertificateStore,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self._loops = loops
        self._certificates = certificates
        self._now = now

    def begin(self) -> None:
        """Begin a list: what it doesn't name is no news."""

    def add(self, obj: Object) -> None:
        """Take an object of a list as any other."""
        self.upsert(obj)

    def end(self) -> None:
        """End a list."""

    def key_of(self, obj: Object) -> RequestKey:
        """Return namespace and name of an object."""
        meta = obj["metadata"]
        return RequestKey(meta["namespace"], meta["name"])

    def known(self) -> Iterable[RequestKey]:
        """Return no keys: nothing is kept."""
        return ()

    def upsert(self, obj: Object) -> None:
        """Note a request that has been issued."""
        ready = ready_of(obj)
        if ready.get("status") != "True":
            return
        request = CertificateRequest(obj)
        owner = owner_of(request)
        since = read_time(ready.get("lastTransitionTime"))
        if owner is None or since is None:
            return
        known = self._certificates.get(owner.namespace, owner.name, owner.uid)
        generation = None if known is None else known.generation
        self._loops.issued(owner, request.uid, since, self._now(), generation)

    def drop(self, key: RequestKey) -> None:
        """Ignore it: a certificate counts although its request is gone."""
