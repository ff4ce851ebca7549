"""Maps a key to its fair-queue flow: tenant, limiter, and flow within the limiter.

The order itself is `issuer.kube.queues.fairqueue`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.queues.fairqueue import UNLIMITED, QueueKey
from issuer.kube.queues.partitions import PartitionedQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey

_NAMESPACE: Final = "Namespace"
"""First part of the tenant of a namespaced issuer, where a cluster issuer has its kind."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestFlows:
    """Maps requests to their flows.

    Each cluster issuer is a tenant, and so is each namespace with all of its issuers, however many it makes.
    Within an issuer each namespace has a flow; Kubernetes' CertificateSigningRequests have no namespace, so
    there each requester has one. `pending` returns the signed certificate that waits to be written to a
    request, or None.
    """

    stores: Mapping[type[Request], RequestStore]
    issuers: Mapping[str, IssuerStore]
    pending: Callable[[RequestKey], PendingDelivery | None]
    limits: Limits

    def queue_key(self, key: RequestKey) -> QueueKey[RequestKey]:
        """Return tenant, limiter and flow of a request as it is known now, even if it is gone."""
        pending = self.pending(key)
        if pending is not None:
            # It only has to be delivered: that needs no token, and no answer of a backend that is slow.
            return QueueKey(_tenant(pending.issuer), UNLIMITED, key.namespace)
        asked = self.stores[kind_of(key)].asked_of(key)
        if asked is None:
            return QueueKey(None, UNLIMITED, key.namespace)
        issuer, username = asked
        flow = key.namespace or username
        # Anyone can name issuers that don't exist: they share one flow, and have none each.
        if issuer is None or self.issuers[issuer.kind].get(issuer) is None:
            return QueueKey(None, UNLIMITED, flow)
        return QueueKey(_tenant(issuer), self.limits.limiter(issuer), flow)


def _tenant(issuer: IssuerKey) -> tuple[str, str]:
    return (_NAMESPACE, issuer.namespace) if issuer.namespace else (issuer.kind, issuer.name)


def partitioned_queue(
    queue_key: Callable[[RequestKey], QueueKey[RequestKey]], workers: int
) -> PartitionedQueue[RequestKey]:
    """Return a queue with two partitions: requests of cluster issuers, and all others.

    Each leaves the other a quarter of `workers`, however many of its own requests hang.
    """

    def is_cluster_issuers(key: RequestKey) -> bool:
        tenant = queue_key(key).tenant
        return isinstance(tenant, tuple) and tenant[0] != _NAMESPACE

    most: dict[Hashable, int] = dict.fromkeys((True, False), workers)
    return PartitionedQueue(queue_key, is_cluster_issuers, most, reserved=workers // 4)


def revocation_flow(
    issuer_of: Callable[[RequestKey], IssuerKey | None],
) -> Callable[[RequestKey], QueueKey[RequestKey]]:
    """Return the mapping of a revocation to its flow: the issuer's tenant, the request's namespace."""

    def queue_key(key: RequestKey) -> QueueKey[RequestKey]:
        issuer = issuer_of(key)
        return QueueKey(None if issuer is None else _tenant(issuer), UNLIMITED, key.namespace)

    return queue_key
