"""Wake-ups: a change of one object puts those that depend on it into their queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from issuer.controller.leadership.ownership import Ownership
from issuer.controller.process.components import Permissions, Queues, State
from issuer.controller.scheduling.limits import Limits
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.telemetry.metrics import Metrics

_SETTLES: Final = 1.0
"""Seconds after a change of RBAC or policies until all issuers are checked once more."""

_SELECTS: Final = 5.0
"""Seconds between two comparisons of all policies with all issuers: who changes an issuer without end must
not keep the controller busy with that."""


class Follower(Protocol):
    """Does work of its own where issuers and namespaces change; see `Wakeups`."""

    def issuer(self, key: IssuerKey) -> None:
        """Look at an issuer that is new, changed or gone."""
        ...

    def namespace(self, name: str) -> None:
        """Look at a namespace that is new, or whose labels changed."""
        ...

    def lead(self) -> None:
        """Look at everything: this process is the one that writes from now on."""
        ...


class Wakeups:
    """Hears of changes from the stores; `connect` gives it what it wakes, before the first watch begins.

    `has_peer` returns True for issuers of kinds that another controller may serve, `home` is the namespace of
    cluster issuers' Secrets.
    """

    _state: State
    _queues: Queues
    _permissions: Permissions
    _limits: Limits

    def __init__(
        self,
        ownership: Ownership,
        metrics: Metrics,
        has_peer: Callable[[IssuerKey], bool] = lambda _: False,
        home: str = "",
    ) -> None:
        self._ownership = ownership
        self._home = home
        self._has_peer = has_peer
        self._metrics = metrics
        self._settling: asyncio.TimerHandle | None = None
        self._changed_in: set[str] = set()
        self._selecting: asyncio.TimerHandle | None = None
        self._select_at = 0.0
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Tell this one, too."""
        self._followers.append(follower)

    def connect(self, state: State, queues: Queues, permissions: Permissions, limits: Limits) -> None:
        """Join it with what is woken."""
        self._state, self._queues, self._permissions, self._limits = state, queues, permissions, limits

    def lead(self) -> None:
        """Look at everything once: this process is now the one that writes statuses and revokes."""
        self._all_issuers()
        self._all_policies()
        self._state.revocations.begin_anew()
        for one in self._followers:
            one.lead()

    def request(self, key: RequestKey) -> None:
        """Work on a request that has news, unless it is another replica's."""
        if self._ownership.takes(key):
            self._queues.requests.add(key)

    def answer(self, key: RequestKey, issuer: IssuerKey | None) -> None:
        """Check an issuer that another controller may serve, once a request of ours has an answer."""
        if (
            issuer is not None
            and self._has_peer(issuer)
            and self._ownership.takes(key)
            and self._state.registry.answered_elsewhere(issuer, key)
        ):
            self._queues.issuers.add(issuer)

    def hasten(self, key: RequestKey, seconds: float) -> None:
        """Bring the next attempt of a request forward, to so many seconds from now at the latest."""
        self._queues.requests.hasten(key, seconds)

    def revocation(self, key: RequestKey) -> None:
        """Look at a request with our finalizer, as something may be due; the leader does."""
        if self._ownership.leads():
            self._queues.revocations.add(key)

    def issuer(self, key: IssuerKey) -> None:
        """Check an issuer that is new, changed or gone, and look at its revocations."""
        self._select_again()
        self._queues.issuers.forget(key)  # a corrected issuer is looked at now, whatever its backoff was
        if self._state.issuers[key.kind].get(key) is None:
            self._limits.forget(key)
        self._queues.issuers.add(key)
        for request in self._state.revocations.of_issuer(key):
            self.revocation(request)  # the policy in force may be another one
        for one in self._followers:
            one.issuer(key)

    def _select_again(self) -> None:
        """Look in a moment, for many issuers at once, which policies select one that exists."""
        if self._selecting is None:
            loop = asyncio.get_running_loop()
            self._selecting = loop.call_at(max(loop.time() + _SETTLES, self._select_at), self._selected)

    def _selected(self) -> None:
        self._selecting = None
        self._select_at = asyncio.get_running_loop().time() + _SELECTS
        self._all_policies()

    def namespace(self, name: str) -> None:
        """Evaluate what waits for a policy again: labels changed, or the namespace is being deleted."""
        self._state.unprocessed.wake_namespace(name)
        if self._state.namespaces.terminating(name):
            for request in self._state.revocations.in_namespace(name):
                self.revocation(request)
        for one in self._followers:
            one.namespace(name)

    def policy(self, name: str) -> None:
        """Evaluate what waits for a policy again, and check all issuers in a moment."""
        if self._state.policies.get(name) is None:
            self._metrics.forget_policy(name)
        self._queues.policies.add(name)
        self._state.unprocessed.wake_all()
        self._soon()

    def certificate(self, name: tuple[str, str]) -> None:
        """Look again at what waits because its Certificate was renewed too often: its spec changed."""
        for request in self._state.renewals.waiting_for(*name):
            self.request(request)

    def rbac(self, namespace: str) -> None:
        """Ask for permissions again, now and in a moment: those in a namespace where a Role or RoleBinding
        changed, or all ("").

        Whoever may write Roles in one namespace must not have what is known of all others forgotten.
        """
        self._forget_permissions(namespace)
        self._soon(namespace)

    def _forget_permissions(self, namespace: str) -> None:
        if namespace:
            self._permissions.clear_in(namespace)
            self._state.unprocessed.wake_namespace(namespace)
        else:
            self._permissions.clear()
            self._state.unprocessed.wake_all()

    def _soon(self, namespace: str = "") -> None:
        """Look once more in a moment, for many changes at once.

        The API server's authorizer learns of RBAC a moment later than a watch can, and issuers' statuses say
        whether a policy selects them and whether their requests may be approved.
        """
        self._changed_in.add(namespace)
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLES, self._settled)

    def _settled(self) -> None:
        self._settling = None
        changed, self._changed_in = self._changed_in, set()
        for namespace in {""} if "" in changed else changed:
            self._forget_permissions(namespace)
        # What is granted in a namespace is granted for its own issuers, and for all at home.
        for key in self._state.known_issuers():
            if not {"", key.namespace or self._home}.isdisjoint(changed):
                self._queues.issuers.add(key)

    def _all_policies(self) -> None:
        for policy in self._state.policies.known():
            self._queues.policies.add(policy)

    def _all_issuers(self) -> None:
        for key in self._state.known_issuers():
            self._queues.issuers.add(key)
