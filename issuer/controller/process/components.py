"""Components of one controller, in groups: what it knows, its queues, permissions and reconcilers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from issuer.controller.access.permissions import ApprovalRights, SigningRights
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.approver import AccessCache
from issuer.controller.approval.policies import PolicyReconciler, PolicyStore
from issuer.controller.issuance.reconciler import RequestReconciler
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.renewals.loops import RenewalLoops
from issuer.controller.revocation.reconciler import RevocationReconciler
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.certificates import CertificateStore
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.queues.partitions import PartitionedQueue
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request, RequestKey


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Objects that watches brought, issuers' health, and what waits for a policy."""

    requests: Mapping[type[Request], RequestStore]
    issuers: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    policies: PolicyStore
    namespaces: NamespaceStore
    unprocessed: UnprocessedRequests
    revocations: RevocationStore
    certificates: CertificateStore
    renewals: RenewalLoops

    def known_issuers(self) -> list[IssuerKey]:
        """Return the keys of all issuers."""
        return list(chain.from_iterable(store.known() for store in self.issuers.values()))


@dataclass(frozen=True, slots=True, eq=False)
class Queues:
    """Keys to be worked on; `fair` is the order of `requests`."""

    fair: PartitionedQueue[RequestKey]
    requests: WorkQueue[RequestKey]
    issuers: WorkQueue[IssuerKey]
    policies: WorkQueue[str]
    revocations: WorkQueue[RequestKey]

    def close(self) -> None:
        """Hand out no more work."""
        for queue in (self.requests, self.issuers, self.policies, self.revocations):
            queue.close()


@dataclass(frozen=True, slots=True, eq=False)
class Permissions:
    """Answers about RBAC that are remembered for seconds: `use` is requesters', the others are our own."""

    use: AccessCache
    approval: ApprovalRights
    signing: SigningRights
    revocation: RevocationRights

    def clear(self) -> None:
        """Ask again, as RBAC or what it is about changed."""
        self.use.clear()
        self.approval.clear()
        self.signing.clear()
        self.revocation.clear()

    def clear_in(self, namespace: str) -> None:
        """Ask again about a namespace, as RBAC changed there. The rights to approve and to sign are the
        cluster's: no Role grants them."""
        self.use.clear_in(namespace)
        self.revocation.clear_in(namespace)


@dataclass(frozen=True, slots=True, eq=False)
class Reconcilers:
    """One for each queue; `reconcile_request` is that of `requests`, for those that are this process's."""

    requests: RequestReconciler
    issuers: IssuerReconciler
    policies: PolicyReconciler
    revocations: RevocationReconciler
    reconcile_request: Callable[[RequestKey], Awaitable[None]]
