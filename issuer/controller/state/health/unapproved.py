"""Requests that wait for another approver, by issuer (`spec.approval: External`)."""

from __future__ import annotations

from collections.abc import Callable

from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey


class UnapprovedRequests:
    """Wakes them where their issuer lets the policies decide from now on, or is gone; `wake` puts one into
    the queue.

    The approval itself is an event of the request, and needs nothing here.
    """

    def __init__(self, wake: Callable[[RequestKey], None]) -> None:
        self._wake = wake
        self._issuer_of: dict[RequestKey, IssuerKey] = {}
        self._of_issuer: dict[IssuerKey, set[RequestKey]] = {}

    def known(self) -> tuple[RequestKey, ...]:
        """Return all of them."""
        return tuple(self._issuer_of)

    def add(self, request: RequestKey, issuer: IssuerKey) -> None:
        """Note a request that another approver has to approve."""
        self.discard(request)
        self._issuer_of[request] = issuer
        self._of_issuer.setdefault(issuer, set()).add(request)

    def discard(self, request: RequestKey) -> None:
        """Forget one that is gone, or is being looked at."""
        issuer = self._issuer_of.pop(request, None)
        if issuer is None:
            return
        self._of_issuer[issuer].discard(request)
        if not self._of_issuer[issuer]:
            del self._of_issuer[issuer]

    def wake_all(self, issuer: IssuerKey) -> None:
        """Have all of an issuer looked at again."""
        for request in self._of_issuer.pop(issuer, ()):
            del self._issuer_of[request]
            self._wake(request)
