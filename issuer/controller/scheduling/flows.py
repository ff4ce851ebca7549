"""Maps a key to its fair-queue flow: tenant, limiter, and flow within the limiter.

The order itself is `issuer.kube.queues.fairqueue`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.controller.issuance.delivery import Delivery
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.scheduling.limits import UNLIMITED, Limits
from issuer.controller.state.stores import IssuerStore, RequestStore
from issuer.kube.queues.fairqueue import QueueKey
from issuer.kube.queues.parts import PartitionedQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey

_NAMESPACE: Final = "Namespace"
"""No kind of issuer: whose requests of namespaced issuers take turns."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestFlows:
    """Where each request stands in the queue.

    Each VaultClusterIssuer has turns of its own, and so has each namespace for all of its VaultIssuers,
    however many it makes. Among the requests of one issuer, namespaces take turns; Kubernetes'
    CertificateSigningRequests have none, so there requesters do.
    """

    stores: Mapping[type[Request], RequestStore]
    issuers: Mapping[str, IssuerStore]
    delivery: Delivery
    limits: Limits

    def place(self, key: RequestKey) -> QueueKey[RequestKey]:
        """The place of a request as it is known now; one that is gone has one, too."""
        pending = self.delivery.pending(key)
        if pending is not None:
            # It only has to be delivered: that needs no token, and no answer of a Vault that is slow.
            return QueueKey(_tenant(pending.issuer), UNLIMITED, key.namespace)
        asked = self.stores[kind_of(key)].asked_of(key)
        if asked is None:
            return QueueKey(None, UNLIMITED, key.namespace)
        issuer, username = asked
        flow = key.namespace or username
        # Anyone can name issuers that don't exist: they have one turn together, not one each.
        if issuer is None or self.issuers[issuer.kind].get(issuer) is None:
            return QueueKey(None, UNLIMITED, flow)
        return QueueKey(_tenant(issuer), self.limits.limiter(issuer), flow)


def _tenant(issuer: IssuerKey) -> tuple[str, str]:
    return (_NAMESPACE, issuer.namespace) if issuer.namespace else (issuer.kind, issuer.name)


def parted(
    place_of: Callable[[RequestKey], QueueKey[RequestKey]], workers: int
) -> PartitionedQueue[RequestKey]:
    """Return a queue with two partitions: requests of cluster issuers, and all others.

    Each leaves the other a quarter of `workers`, however many of its own requests hang.
    """

    def is_cluster_issuers(key: RequestKey) -> bool:
        tenant = place_of(key).tenant
        return isinstance(tenant, tuple) and tenant[0] != _NAMESPACE

    most: dict[Hashable, int] = dict.fromkeys((True, False), workers)
    return PartitionedQueue(place_of, is_cluster_issuers, most, reserved=workers // 4)


def revocation_flow(store: RevocationStore) -> Callable[[RequestKey], QueueKey[RequestKey]]:
    """Revocations: issuers take turns, and the namespaces of their requests."""

    def place(key: RequestKey) -> QueueKey[RequestKey]:
        record = store.get(key)
        issuer = None if record is None else record.issuer
        return QueueKey(None if issuer is None else _tenant(issuer), UNLIMITED, key.namespace)

    return place
