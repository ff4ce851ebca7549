"""The controller's components and how they are joined; nothing runs here.

Events go from reflectors into stores, from stores into queues as keys, and
from queues to reconcilers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from issuer.api.group import GROUP, POLICY_KIND
from issuer.controller.access.permissions import ApprovalRights, SigningRights
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.approver import AccessCache, Approver
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.approval.policies import PolicyReconciler, PolicyStore
from issuer.controller.canary.history import CanaryHistory, Stage
from issuer.controller.canary.prober import Prober
from issuer.controller.issuance.answer_log import AnswerLog
from issuer.controller.issuance.approval_pace import FEW, FEW_EACH, ApprovalPaces
from issuer.controller.issuance.decider import RequestDecider
from issuer.controller.issuance.delivery import Delivery
from issuer.controller.issuance.kind_checks import CertificateRequestChecks, KindChecks
from issuer.controller.issuance.reading import RequestReader
from issuer.controller.issuance.reconciler import RequestReconciler
from issuer.controller.issuance.reporter import RequestReporter
from issuer.controller.issuance.signing_step import SigningStep
from issuer.controller.issuance.status_writer import StatusWriter
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.leadership.ownership import Ownership
from issuer.controller.process import gauges
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.reason_labels import reason_labels
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.controller.revocation.reconciler import RevocationReconciler
from issuer.controller.revocation.store import FanOut, RevocationStore
from issuer.controller.scheduling.checks import CALLS, CheckFlows
from issuer.controller.scheduling.flows import RequestFlows, partitioned_queue, revocation_flow
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state import certificates
from issuer.controller.state.certificates import CertificateStore
from issuer.controller.state.defects import Defects
from issuer.controller.state.issuers import IssuerRegistry
from issuer.controller.state.portions import SharedStores
from issuer.controller.state.stores import ChangeNotifier, IssuerStore, NamespaceStore, RequestStore, Store
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.queues.fairqueue import QueueKey
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.reflector import Handler, Reflector
from issuer.kube.reflector_group import ReflectorGroup
from issuer.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey, IssuerKinds
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import Request, RequestKey
from issuer.requests.resources import (
    CERTIFICATE_REQUEST_POLICIES,
    CERTIFICATE_REQUESTS,
    CERTIFICATE_SIGNING_REQUESTS,
    CERTIFICATES,
)
from issuer.signing.backend import Connector
from issuer.telemetry.canary_metrics import CanaryMetrics
from issuer.telemetry.metrics import Metrics

# A broken issuer is looked at again after at most this many seconds.
_ISSUER_BACKOFF = 15.0
_REQUEST_BACKOFF = 60.0
_REVOCATION_BACKOFF = 15.0
_SETTLES = 1.0
REVOCATION_WORKERS = 32

RBAC = {
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}
REQUESTS = tuple(kind.kind for kind in KINDS)


class Components:
    """Stores, queues, reconcilers and watches of one controller.

    ``ownership`` says what is this process's to do.
    """

    _settling: asyncio.TimerHandle | None = None

    def __init__(
        self,
        options: ControllerOptions,
        client: KubeClient,
        ownership: Ownership,
        answers: AnswerLog | None = None,
    ) -> None:
        self.options = options
        self.client = client
        self.ownership = ownership
        self.backends = options.backends
        self.metrics = Metrics(reason_labels([backend.reasons for backend in self.backends]))
        self.defects = Defects(self.metrics)
        self.fair_queue = partitioned_queue(self._queue_key, options.workers)
        self.requests: WorkQueue[RequestKey] = WorkQueue(self.fair_queue, longest=_REQUEST_BACKOFF)
        self.stores = {kind: RequestStore(kind, self._offer, self.kinds) for kind in KINDS}
        self.issuer_stores = {
            kind.kind: IssuerStore(kind.kind, self._issuer_changed, self.kinds) for kind in self.kinds
        }
        self.checks = CheckFlows(
            self.issuer_stores,
            options.issuer_workers,
            CALLS * options.vault_timeout,
            self.backends,
        )
        self.issuers: WorkQueue[IssuerKey] = WorkQueue(self.checks.fair_queue, longest=_ISSUER_BACKOFF)
        self.registry = IssuerRegistry(self._offer)
        self.limits = Limits(self.registry, self.metrics, options.issuer_concurrency)
        self.unprocessed = UnprocessedRequests(self._offer)
        self.policy_queue: WorkQueue[str] = WorkQueue(longest=_ISSUER_BACKOFF)
        self.policies = PolicyStore(self._policy_changed, partial(self.defects.note, "policies"))
        self.namespaces = NamespaceStore(self._namespace_changed)
        self.access = AccessCache(client)
        self.rights = ApprovalRights(client, self.kinds)
        self.signing_rights = SigningRights(client, self.kinds)
        self.revocations = RevocationStore(self._revocation_due, issuer_kinds=self.kinds)
        self.revocation_queue: WorkQueue[RequestKey] = WorkQueue(
            partitioned_queue(revocation_flow(self.revocations.issuer_of), REVOCATION_WORKERS),
            longest=_REVOCATION_BACKOFF,
        )
        self.revocation_rights = RevocationRights(client)
        self.certificates = CertificateStore(self.kinds)
        self.recorder = EventRecorder(client, f"{GROUP}/controller")
        paces = ApprovalPaces(FEW_EACH if options.sharded else FEW)
        self.writer = StatusWriter(client, paces, ownership.written)
        self.delivery = Delivery(self.writer, self.metrics, answers=answers)
        self.flows = RequestFlows(self.stores, self.issuer_stores, self.delivery.pending, self.limits)
        self.reflectors = self._reflectors()
        self.issuer_reconciler = self._issuer_reconciler()
        self.request_reporter = RequestReporter(
            self.stores, self.writer, self.recorder, self.metrics, self.delivery.answers
        )
        self.request_reconciler = self._request_reconciler()
        self.revocation_reconciler = self._revocation_reconciler()
        self.policy_reconciler = PolicyReconciler(client, self.policies, self.policy_queue, ownership.leads)
        self.reconcile_request = ownership.only_owned(self.request_reconciler.reconcile)
        self.canaries = CanaryHistory()
        self.prober = self._prober() if options.canaries else None
        gauges.expose(self)

    @property
    def kinds(self) -> IssuerKinds:
        """The kinds of issuers that are served."""
        return self.backends.kinds

    def _queue_key(self, key: RequestKey) -> QueueKey[RequestKey]:
        return self.flows.queue_key(key)

    @property
    def first(self) -> tuple[str, ...]:
        """Kinds to list before the first request is looked at: half of the policies decide nothing."""
        return *self.issuer_stores, POLICY_KIND, "Namespace"

    def _reflectors(self) -> dict[str, Reflector | ReflectorGroup]:
        found: dict[str, Reflector | ReflectorGroup] = {
            kind.kind: Reflector(self.client, kind.resource, self.issuer_stores[kind.kind], streamed=True)
            for kind in self.backends.kinds
        }
        found[POLICY_KIND] = Reflector(
            self.client, CERTIFICATE_REQUEST_POLICIES, self.policies, streamed=True
        )
        found["Namespace"] = Reflector(self.client, NAMESPACES, self.namespaces, streamed=True)
        for kind, resource in RBAC.items():
            found[kind] = Reflector(self.client, resource, ChangeNotifier(self._rbac_changed), streamed=True)
        requests = self.stores[CertificateRequest]
        found[CertificateRequest.kind] = self._by_group(
            CERTIFICATE_REQUESTS, (requests, self.revocations), lambda obj: requests.read(obj).is_ours
        )
        csrs = self.stores[KubernetesCSR]
        if self.options.certificate_signing_requests:
            found[KubernetesCSR.kind] = Reflector(
                self.client,
                CERTIFICATE_SIGNING_REQUESTS,
                csrs,
                keep=lambda obj: csrs.read(obj).is_ours,  # the server selects by whole signer names only
                optional=True,
                streamed=True,
            )
        if self.options.watch_certificates:
            found[certificates.KIND] = self._by_group(
                CERTIFICATES, (self.certificates,), self.certificates.is_ours, optional=True
            )
        return found

    def _by_group(
        self,
        resource: Resource,
        stores: Sequence[Store[Any]],
        keep: Callable[[dict[str, Any]], bool],
        *,
        optional: bool = False,
    ) -> Reflector | ReflectorGroup:
        """Return a reflector that selects by the API groups of issuers.

        cert-manager 1.21's CRDs know the field; where an older one doesn't, `keep` chooses here.
        """

        def reflector(group: str, handler: Handler) -> Reflector:
            return Reflector(
                self.client,
                resource,
                handler,
                field_selector=f"spec.issuerRef.group={group}",
                keep=keep,
                optional=optional,
                streamed=True,
            )

        groups = self.backends.kinds.groups
        if len(groups) == 1:
            return reflector(groups[0], stores[0] if len(stores) == 1 else FanOut(*stores))
        shared = SharedStores(*stores)
        return ReflectorGroup([reflector(group, shared.portion()) for group in groups])

    def _issuer_reconciler(self) -> IssuerReconciler:
        options = self.options
        return IssuerReconciler(
            client=self.client,
            stores=self.issuer_stores,
            registry=self.registry,
            queue=self.issuers,
            flows=self.checks,
            backends=self.backends,
            connectors=self._connectors(),
            policies=self.policies,
            approval_rights=self.rights,
            revocation_rights=self.revocation_rights,
            recorder=self.recorder,
            metrics=self.metrics,
            defects=self.defects,
            period=options.issuer_check_period,
            tells=self.ownership.leads,
        )

    def _connectors(self) -> dict[str, Connector]:
        settings, logged_in = self.options.backend_settings, self.metrics.logged_in
        return {
            kind.kind: connector
            for backend in self.backends
            for connector in (backend.connector(self.client, settings, logged_in),)
            for kind in backend.kinds
        }

    def _kind_checks(self) -> dict[type[Request], KindChecks]:
        finalizer = RevocationFinalizer(self.client, self.revocation_rights)
        return {
            CertificateRequest: CertificateRequestChecks(self.registry, self.issuers, self.rights, finalizer),
            KubernetesCSR: CSRPermissions(self.client, self.signing_rights),
        }

    def _request_decider(self, checks: dict[type[Request], KindChecks]) -> RequestDecider:
        return RequestDecider(
            issuers=self.issuer_stores,
            registry=self.registry,
            checks=checks,
            approver=Approver(
                self.client,
                self.policies,
                self.namespaces,
                self.access,
                self.metrics,
                names=self.options.name_policies,
            ),
            unprocessed=self.unprocessed,
            signing=SigningStep(
                self.registry,
                self.issuers,
                self.delivery,
                self.metrics,
                self.limits,
                self.ownership.may_sign,
                self.defects,
            ),
            delivery=self.delivery,
        )

    def _request_reconciler(self) -> RequestReconciler:
        checks = self._kind_checks()
        return RequestReconciler(
            reader=RequestReader(self.client, self.stores),
            decider=self._request_decider(checks),
            reporter=self.request_reporter,
            delivery=self.delivery,
            checks=checks,
            registry=self.registry,
            queue=self.requests,
            defects=self.defects,
        )

    def _revocation_reconciler(self) -> RevocationReconciler:
        return RevocationReconciler(
            client=self.client,
            store=self.revocations,
            issuers=self.issuer_stores,
            registry=self.registry,
            namespaces=self.namespaces,
            queue=self.revocation_queue,
            recorder=self.recorder,
            metrics=self.metrics,
            defects=self.defects,
            may_work=self.ownership.leads,
            wait=timedelta(seconds=self.options.revocation_wait),
        )

    def _prober(self) -> Prober:
        options = self.options
        metrics = CanaryMetrics(self.metrics.registry, tuple(Stage), options.canary_period)
        leads = self.ownership.leads
        return Prober(
            self.client,
            options.canaries,
            options.canary_period,
            self.canaries,
            metrics,
            leads,
            self.defects,
        )

    def close_queues(self) -> None:
        """Hand out no more work."""
        for queue in (self.requests, self.issuers, self.policy_queue, self.revocation_queue):
            queue.close()

    def lead(self) -> None:
        """This process is now the one that tells and revokes: look at everything once."""
        for store in self.issuer_stores.values():
            for issuer in store.known():
                self.issuers.add(issuer)
        for policy in self.policies.known():
            self.policy_queue.add(policy)
        self.revocations.begin_anew()

    def _offer(self, key: RequestKey) -> None:
        """There is news of a request, which may be another replica's."""
        if self.ownership.takes(key):
            self.requests.add(key)

    def _revocation_due(self, key: RequestKey) -> None:
        if self.ownership.leads():
            self.revocation_queue.add(key)

    def _issuer_changed(self, key: IssuerKey) -> None:
        self.issuers.forget(key)  # a corrected issuer is looked at now, whatever its backoff was
        if self.issuer_stores[key.kind].get(key) is None:
            self.limits.forget(key)
        self.issuers.add(key)
        for request in self.revocations.of_issuer(key):
            self._revocation_due(request)  # the policy in force may be another one

    def _namespace_changed(self, name: str) -> None:
        self.unprocessed.wake_namespace(name)
        if self.namespaces.terminating(name):
            for request in self.revocations.in_namespace(name):
                self._revocation_due(request)

    def _policy_changed(self, name: str) -> None:
        if self.policies.get(name) is None:
            self.metrics.forget_policy(name)
        self.policy_queue.add(name)
        self.unprocessed.wake_all()
        self._soon()

    def _rbac_changed(self) -> None:
        self._forget_rights()
        self._soon()

    def _forget_rights(self) -> None:
        self.access.clear()
        self.rights.clear()
        self.signing_rights.clear()
        self.revocation_rights.clear()
        self.unprocessed.wake_all()

    def _soon(self) -> None:
        """Look once more in a moment, for many changes at once.

        The API server's authorizer learns of RBAC a moment later than a watch can, and issuers tell whether a
        policy guards them and whether they may be approved for.
        """
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLES, self._settled)

    def _settled(self) -> None:
        self._settling = None
        self._forget_rights()
        for store in self.issuer_stores.values():
            for key in store.known():
                self.issuers.add(key)

    def late(self) -> list[str]:
        """What has not been listed yet.

        RBAC is not waited for, as answers about it age by themselves; nor are CertificateSigningRequests and
        Certificates, as an administrator may withhold them from us.
        """
        unneeded = (*RBAC, KubernetesCSR.kind, certificates.KIND)
        return [
            kind for kind, one in self.reflectors.items() if kind not in unneeded and not one.synced.is_set()
        ]
