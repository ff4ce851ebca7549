"""Whether this process is the one to act: what is asked before work is taken, signed or told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from issuer.kube.lease import Lease
from issuer.requests.request import Request, RequestKey

Reconcile = Callable[[RequestKey], Awaitable[None]]


class Ownership(Protocol):
    """Answers hold for the moment in which they are asked."""

    def leads(self) -> bool:
        """Whether what is done once is ours to do: issuers' and policies' status, revocation."""
        ...

    def takes(self, key: RequestKey) -> bool:
        """Whether an attempt at this request may begin."""
        ...

    def holds(self, key: RequestKey) -> bool:
        """Whether this request is ours for certain."""
        ...

    def may_sign(self, key: RequestKey) -> bool:
        """Whether it is, and stays so for as long as a call to Vault may take."""
        ...

    def written(self, request: Request) -> None:
        """We have written the answer: this copy has its resourceVersion."""
        ...

    def only_owned(self, reconcile: Reconcile) -> Reconcile:
        """The same, but only for requests that are ours."""
        ...


class Alone:
    """The only process, by the operator's word."""

    def leads(self) -> bool:
        """Yes."""
        return True

    def takes(self, _key: RequestKey) -> bool:
        """Yes."""
        return True

    def holds(self, _key: RequestKey) -> bool:
        """Yes."""
        return True

    def may_sign(self, _key: RequestKey) -> bool:
        """Yes."""
        return True

    def written(self, request: Request) -> None:
        """Nobody needs to know."""

    def only_owned(self, reconcile: Reconcile) -> Reconcile:
        """Every request is ours."""
        return reconcile


class OneLeader(Alone):
    """One of several replicas, which works while it has the main Lease; ``call`` is Vault's time-out in
    seconds."""

    def __init__(self, lease: Lease, call: float) -> None:
        self._lease = lease
        self._call = call

    def leads(self) -> bool:
        """Whether it has the Lease for certain."""
        return self._lease.is_leader

    def holds(self, _key: RequestKey) -> bool:
        """Whether it has the Lease for certain."""
        return self._lease.is_leader

    def may_sign(self, _key: RequestKey) -> bool:
        """Whether it has the Lease for as long as a call to Vault may take."""
        return self._lease.time_left() >= self._call
