"""Constructs the controller: nothing runs here, and nothing is decided.

Events go from reflectors (`watches`) into stores, from stores by `wakeups` into queues as keys, and from
queues to reconcilers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from issuer.api.group import GROUP
from issuer.controller.access.permissions import ApprovalRights, SigningRights
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.approver import AccessCache, Approver
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.approval.policies import PolicyReconciler, PolicyStore
from issuer.controller.approval.refusals import StandingRefusals
from issuer.controller.canary.events import CanaryEvents
from issuer.controller.canary.history import CanaryHistory, Stage
from issuer.controller.canary.prober import Prober
from issuer.controller.delivery.answer_log import AnswerLog
from issuer.controller.delivery.approval_pace import FEW, FEW_EACH, ApprovalPaces
from issuer.controller.delivery.delivering import Delivery
from issuer.controller.delivery.status_writer import StatusWriter
from issuer.controller.delivery.undelivered import Undelivered
from issuer.controller.issuance.acceptance import Acceptance
from issuer.controller.issuance.decider import RequestDecider
from issuer.controller.issuance.kind_checks import CertificateRequestChecks, KindChecks
from issuer.controller.issuance.last_look import LastLook
from issuer.controller.issuance.reading import RequestReader
from issuer.controller.issuance.reconciler import RequestReconciler
from issuer.controller.issuance.reporter import RequestReporter
from issuer.controller.issuance.signing_step import SigningStep
from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.leadership.ownership import Ownership
from issuer.controller.process import gauges
from issuer.controller.process.components import Permissions, Queues, Reconcilers, State
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.reason_labels import reason_labels
from issuer.controller.process.wakeups import Wakeups
from issuer.controller.process.watches import Watches
from issuer.controller.renewals.guard import RenewalGuard
from issuer.controller.renewals.loops import RenewalLoops
from issuer.controller.renewals.owners import CertificateOwners
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.controller.revocation.reconciler import RevocationReconciler
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.scheduling.checks import CALLS, CheckFlows
from issuer.controller.scheduling.flows import RequestFlows, partitioned_queue, revocation_flow
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.certificates import CertificateStore
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.controller.trust.distribution import TrustDistribution, Watched
from issuer.controller.trust.reporter import TrustReporter
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.policy.facts import IssuerReference
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.kinds import KINDS, kind_of
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import Request
from issuer.signing.backend import Connector
from issuer.telemetry.canary_metrics import CanaryMetrics
from issuer.telemetry.metrics import Metrics

# A broken issuer is looked at again after at most this many seconds.
_ISSUER_BACKOFF = 15.0
_REQUEST_BACKOFF = 60.0
_REVOCATION_BACKOFF = 15.0
REVOCATION_WORKERS = 32


class Components:
    """The parts of the controller, joined.

    `ownership` says what is this process's to do. `answers` hears of each final answer.
    """

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
        self.recorder = EventRecorder(client, f"{GROUP}/controller")
        self.wakeups = Wakeups(
            ownership,
            self.metrics,
            lambda key: bool(self.backends.of(key.kind).peer),
            options.backend_settings.home(""),
        )
        self.state = self._state()
        self.canaries = CanaryHistory(heard=CanaryEvents(self.state.issuers, self.recorder).record)
        self.permissions = self._permissions()
        paces = ApprovalPaces(FEW_EACH if options.leader.sharded else FEW)
        self.writer = StatusWriter(client, paces, ownership.written)
        self.delivery = Delivery(self.writer, self.metrics, answers=answers, issuer_kinds=self.backends.kinds)
        self.limits = Limits(
            self.state.registry, self.metrics, options.work.issuer_concurrency, self.delivery.held.of_issuer
        )
        self.delivery.refused.most = self.limits.most
        self.check_flows = CheckFlows(
            self.state.issuers,
            options.work.issuer_workers,
            CALLS * options.backend_settings.timeout,
            self.backends,
        )
        self.queues = self._queues()
        self.wakeups.connect(self.state, self.queues, self.permissions, self.limits)
        self.watches = Watches(options, client, self.backends.kinds, self.state, self.wakeups.rbac)
        self.signers = IssuerSigners(
            client,
            self.state.issuers,
            self.state.registry,
            self.queues.issuers,
            self._connectors(),
            options.backend_settings.home,
        )
        self.reconcilers = self._reconcilers()
        self.prober = self._prober() if options.canaries.targets else None
        self.trust = self._trust()
        self.wakeups.follow(self.trust)
        gauges.expose(self)

    def _state(self) -> State:
        kinds, wakeups = self.backends.kinds, self.wakeups
        return State(
            requests={kind: RequestStore(kind, wakeups.request, kinds, wakeups.answer) for kind in KINDS},
            issuers={kind.kind: IssuerStore(kind.kind, wakeups.issuer, kinds) for kind in kinds},
            registry=IssuerRegistry(wakeups.request, wakeups.hasten),
            policies=PolicyStore(wakeups.policy, partial(self.defects.note, "policies")),
            namespaces=NamespaceStore(wakeups.namespace),
            unprocessed=UnprocessedRequests(wakeups.request),
            revocations=RevocationStore(wakeups.revocation, issuer_kinds=kinds),
            certificates=CertificateStore(kinds, wakeups.certificate),
            renewals=RenewalLoops(self.options.work.renewal_loops),
        )

    def _permissions(self) -> Permissions:
        client, kinds = self.client, self.backends.kinds
        return Permissions(
            use=AccessCache(client),
            approval=ApprovalRights(client, kinds),
            signing=SigningRights(client, kinds),
            revocation=RevocationRights(client),
        )

    def _queues(self) -> Queues:
        state = self.state
        flows = RequestFlows(state.requests, state.issuers, self.delivery.held.get, self.limits)
        fair = partitioned_queue(flows.queue_key, self.options.work.workers)
        revocations = partitioned_queue(revocation_flow(state.revocations.issuer_of), REVOCATION_WORKERS)
        return Queues(
            fair=fair,
            requests=WorkQueue(fair, longest=_REQUEST_BACKOFF),
            issuers=WorkQueue(self.check_flows.fair_queue, longest=_ISSUER_BACKOFF),
            policies=WorkQueue(longest=_ISSUER_BACKOFF),
            revocations=WorkQueue(revocations, longest=_REVOCATION_BACKOFF),
        )

    def _reconcilers(self) -> Reconcilers:
        requests = self._request_reconciler()
        return Reconcilers(
            requests=requests,
            issuers=self._issuer_reconciler(),
            policies=PolicyReconciler(
                self.client,
                self.state.policies,
                self.queues.policies,
                self._issuer_references,
                self.ownership.leads,
            ),
            revocations=self._revocation_reconciler(),
            reconcile_request=self.ownership.only_owned(requests.reconcile),
        )

    def _issuer_references(self) -> Iterator[IssuerReference]:
        """Yield every issuer as policies select it."""
        for key in self.state.known_issuers():
            yield IssuerReference(**self.backends.kinds.reference(key))

    def _issuer_reconciler(self) -> IssuerReconciler:
        state = self.state
        return IssuerReconciler(
            stores=state.issuers,
            registry=state.registry,
            queue=self.queues.issuers,
            flows=self.check_flows,
            checker=IssuerChecker(
                self.client,
                state.issuers,
                state.registry,
                self.backends,
                self.signers,
                state.policies,
                self.permissions.approval,
                self.permissions.revocation,
                lambda key, uid: state.requests[kind_of(key)].is_ours(uid),
            ),
            reporter=IssuerReporter(
                self.client, state.issuers, self.backends, self.recorder, self.ownership.leads
            ),
            metrics=self.metrics,
            defects=self.defects,
            period=self.options.work.issuer_check_period,
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
        finalizer = RevocationFinalizer(self.client, self.permissions.revocation)
        return {
            CertificateRequest: CertificateRequestChecks(
                self.state.registry, self.queues.issuers, self.permissions.approval, finalizer
            ),
            KubernetesCSR: CSRPermissions(self.client, self.permissions.signing),
        }

    def _request_decider(self, checks: dict[type[Request], KindChecks]) -> RequestDecider:
        state = self.state
        approver = Approver(
            self.client,
            state.policies,
            state.namespaces,
            self.permissions.use,
            self.metrics,
            names=self.options.work.name_policies,
            refusals=StandingRefusals(self.options.work.denial_delay),
        )
        undelivered = Undelivered(self.delivery.discarder, self.metrics, self.defects)
        return RequestDecider(
            issuers=state.issuers,
            registry=state.registry,
            checks=checks,
            approver=approver,
            unprocessed=state.unprocessed,
            signing=SigningStep(
                state.registry,
                self.queues.issuers,
                Acceptance(state.registry, self.delivery, self.metrics, undelivered),
                self.metrics,
                self.limits,
                LastLook(
                    state.requests,
                    state.issuers,
                    state.registry,
                    approver,
                    checks,
                    self.ownership.may_sign,
                    self.limits,
                ),
                undelivered,
                self.signers,
            ),
            delivery=self.delivery,
            renewals=RenewalGuard(state.renewals, CertificateOwners(self.client, state.certificates)),
        )

    def _request_reconciler(self) -> RequestReconciler:
        checks, stores = self._kind_checks(), self.state.requests
        return RequestReconciler(
            reader=RequestReader(self.client, stores),
            decider=self._request_decider(checks),
            reporter=RequestReporter(stores, self.writer, self.recorder, self.metrics, self.delivery.answers),
            delivery=self.delivery,
            checks=checks,
            registry=self.state.registry,
            queue=self.queues.requests,
            defects=self.defects,
        )

    def _revocation_reconciler(self) -> RevocationReconciler:
        return RevocationReconciler(
            client=self.client,
            store=self.state.revocations,
            issuers=self.state.issuers,
            signers=self.signers,
            namespaces=self.state.namespaces,
            queue=self.queues.revocations,
            recorder=self.recorder,
            metrics=self.metrics,
            defects=self.defects,
            may_work=self.ownership.leads,
            wait=timedelta(seconds=self.options.work.revocation_wait),
        )

    def _prober(self) -> Prober:
        period = self.options.canaries.period
        return Prober(
            self.client,
            self.options.canaries.targets,
            period,
            self.canaries,
            CanaryMetrics(self.metrics.registry, tuple(Stage), period),
            self.ownership.leads,
            self.defects,
        )

    def _trust(self) -> TrustDistribution:
        state, leads = self.state, self.ownership.leads
        return TrustDistribution(
            self.client,
            self.options.trust,
            Watched(state.issuers, state.registry, state.namespaces),
            self.backends.kinds,
            TrustReporter(self.client, state.issuers, self.backends, self.recorder),
            leads,
            self.defects,
            self.options.work.issuer_check_period,
        )
