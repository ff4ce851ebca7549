"""Ownership checks made before a request is started, signed or reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from issuer.kube.leases.lease import Lease
from issuer.requests.request import Request, RequestKey

Reconcile = Callable[[RequestKey], Awaitable[None]]


class Ownership(Protocol):
    """Ownership checks. Answers hold for the moment in which they are asked."""

    def leads(self) -> bool:
        """Return True if what is done once is ours to do: issuers' and policies' status, revocation."""
        ...

    def takes(self, key: RequestKey) -> bool:
        """Return True if an attempt at this request may begin."""
        ...

    def holds(self, key: RequestKey) -> bool:
        """Return True if this request is ours for certain."""
        ...

    def may_sign(self, key: RequestKey) -> bool:
        """Return True if this request is ours, and stays so for as long as a signing call may take."""
        ...

    def written(self, request: Request) -> None:
        """Note an answer that we have written: this copy has its resourceVersion."""
        ...

    def only_owned(self, reconcile: Reconcile) -> Reconcile:
        """Return `reconcile` for the requests that are ours; others are dropped."""
        ...


class Alone:
    """The only process, by the operator's word."""

    def leads(self) -> bool:
        """Return True: it is the only process."""
        return True

    def takes(self, _key: RequestKey) -> bool:
        """Return True: it is the only process."""
        return True

    def holds(self, _key: RequestKey) -> bool:
        """Return True: it is the only process."""
        return True

    def may_sign(self, _key: RequestKey) -> bool:
        """Return True: it is the only process."""
        return True

    def written(self, request: Request) -> None:
        """Ignore it: no other process needs to know."""

    def only_owned(self, reconcile: Reconcile) -> Reconcile:
        """Return `reconcile`: every request is ours."""
        return reconcile


class OneLeader(Alone):
    """One of several replicas, which works while it has the main Lease; `call` is a signing call's limit in
    seconds."""

    def __init__(self, lease: Lease, call: float) -> None:
        self._lease = lease
        self._call = call

    def leads(self) -> bool:
        """Return True if it has the Lease for certain."""
        return self._lease.is_leader

    def holds(self, _key: RequestKey) -> bool:
        """Return True if it has the Lease for certain."""
        return self._lease.is_leader

    def may_sign(self, _key: RequestKey) -> bool:
        """Return True if it has the Lease for as long as a signing call may take."""
        return self._lease.time_left() >= self._call
