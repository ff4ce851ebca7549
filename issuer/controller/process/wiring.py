"""The controller's components and how they are joined; nothing runs here.

Events go from reflectors into stores, from stores into queues as keys, and
from queues to reconcilers.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from issuer.api.group import CLUSTER_ISSUER_KIND, GROUP, ISSUER_KIND, POLICY_KIND
from issuer.api.issuers import IssuerSpec
from issuer.controller.access.permissions import ApprovalRights, SigningRights
from issuer.controller.approval.approver import AccessCache, Approver
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.approval.policies import PolicyReconciler, PolicyStore
from issuer.controller.canary.history import CanaryHistory, Stage
from issuer.controller.canary.prober import Prober
from issuer.controller.issuance.approval_pace import FEW, FEW_EACH, ApprovalPaces
from issuer.controller.issuance.delivery import Delivery
from issuer.controller.issuance.reconciler import RequestReconciler
from issuer.controller.issuance.signing_step import SigningStep
from issuer.controller.issuance.status_writer import StatusWriter
from issuer.controller.issuers.reconciler import BuildSigner, IssuerReconciler
from issuer.controller.leadership.ownership import Ownership
from issuer.controller.process import gauges
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.reason_labels import reason_labels
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.controller.revocation.reconciler import RevocationReconciler
from issuer.controller.revocation.rights import RevocationRights
from issuer.controller.revocation.store import FanOut, RevocationStore
from issuer.controller.scheduling.checks import CALLS, CheckFlows
from issuer.controller.scheduling.flows import RequestFlows, parted, revocation_flow
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state import certificates
from issuer.controller.state.certificates import CertificateStore
from issuer.controller.state.defects import Defects
from issuer.controller.state.issuers import IssuerRegistry
from issuer.controller.state.stores import ChangeNotifier, IssuerStore, NamespaceStore, RequestStore
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.queues.fairqueue import QueueKey
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.reflector import Reflector
from issuer.kube.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, NAMESPACES, ROLE_BINDINGS, ROLES
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.requests.resources import (
    CERTIFICATE_REQUEST_POLICIES,
    CERTIFICATE_REQUESTS,
    CERTIFICATE_SIGNING_REQUESTS,
    CERTIFICATES,
    VAULT_CLUSTER_ISSUERS,
    VAULT_ISSUERS,
)
from issuer.signing.signer import Signer
from issuer.signing.vault.credentials import CredentialReader, Credentials
from issuer.signing.vault.reasons import VAULT_REASONS, VaultOutage
from issuer.signing.vault.signer import VaultSigner
from issuer.telemetry.canary_metrics import CanaryMetrics
from issuer.telemetry.metrics import Metrics
from issuer.vault.login.tokens import LoggedIn, ignored

# A broken issuer is looked at again after at most this many seconds.
_ISSUER_BACKOFF = 15.0
_REQUEST_BACKOFF = 60.0
_REVOCATION_BACKOFF = 15.0
_SETTLES = 1.0
REVOCATION_WORKERS = 32

ISSUERS = {ISSUER_KIND: VAULT_ISSUERS, CLUSTER_ISSUER_KIND: VAULT_CLUSTER_ISSUERS}
RBAC = {
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}
REQUESTS = tuple(kind.kind for kind in KINDS)
# All of these are listed before the first request is looked at: nothing is decided by half of the policies.
FIRST = (ISSUER_KIND, CLUSTER_ISSUER_KIND, POLICY_KIND, "Namespace")


def vault_signer(spec: IssuerSpec, credentials: Credentials, logged_in: LoggedIn = ignored) -> Signer:
    """The signer of an issuer with ``spec.vault``; ``logged_in`` hears of each login."""
    authority = spec.certificate_authority
    return VaultSigner(
        credentials.connection,
        credentials.method,
        spec.vault.path,
        None if authority is None else authority.path,
        revokes=spec.revocation.policy != "Never",
        logged_in=logged_in,
    )


class Components:
    """Stores, queues, reconcilers and watches of one controller.

    ``ownership`` says what is this process's to do. ``build_signer`` None is ``vault_signer``.
    """

    def __init__(
        self,
        options: ControllerOptions,
        client: KubeClient,
        build_signer: BuildSigner | None,
        ownership: Ownership,
    ) -> None:
        self.options = options
        self.client = client
        self.ownership = ownership
        self.metrics = Metrics(reason_labels([VAULT_REASONS]))
        self.defects = Defects(self.metrics)
        self.fair_queue = parted(self._place, options.workers)
        self.requests: WorkQueue[RequestKey] = WorkQueue(self.fair_queue, longest=_REQUEST_BACKOFF)
        self.stores = {kind: RequestStore(kind, self._offer) for kind in KINDS}
        self.issuer_stores = {kind: IssuerStore(kind, self._issuer_changed) for kind in ISSUERS}
        self.checks = CheckFlows(
            self.issuer_stores,
            options.issuer_workers,
            longest=CALLS * options.vault_timeout,
            too_slow=lambda _key: VaultOutage.VAULT_UNREACHABLE,
        )
        self.issuers: WorkQueue[IssuerKey] = WorkQueue(self.checks.fair_queue, longest=_ISSUER_BACKOFF)
        self.registry = IssuerRegistry(self._offer)
        self.limits = Limits(self.registry, self.metrics, options.issuer_concurrency)
        self.unprocessed = UnprocessedRequests(self._offer)
        self.policy_queue: WorkQueue[str] = WorkQueue(longest=_ISSUER_BACKOFF)
        self.policies = PolicyStore(self._policy_changed, partial(self.defects.note, "policies"))
        self.namespaces = NamespaceStore(self._namespace_changed)
        self.access = AccessCache(client)
        self.rights = ApprovalRights(client)
        self.signing_rights = SigningRights(client)
        self.revocations = RevocationStore(self._revocation_due)
        self.revocation_queue: WorkQueue[RequestKey] = WorkQueue(
            parted(revocation_flow(self.revocations), REVOCATION_WORKERS), longest=_REVOCATION_BACKOFF
        )
        self.revocation_rights = RevocationRights(client)
        self.certificates = CertificateStore()
        self._settling: asyncio.TimerHandle | None = None
        self.recorder = EventRecorder(client, f"{GROUP}/controller")
        paces = ApprovalPaces(FEW_EACH if options.sharded else FEW)
        self.writer = StatusWriter(client, paces, ownership.written)
        self.delivery = Delivery(self.writer, self.metrics)
        self.flows = RequestFlows(self.stores, self.issuer_stores, self.delivery, self.limits)
        self.reflectors = self._reflectors()
        self.issuer_reconciler = self._issuer_reconciler(build_signer or self._vault_signer)
        self.request_reconciler = self._request_reconciler()
        self.revocation_reconciler = self._revocation_reconciler()
        self.policy_reconciler = PolicyReconciler(client, self.policies, self.policy_queue, ownership.leads)
        self.reconcile_request = ownership.only_owned(self.request_reconciler.reconcile)
        self.canaries = CanaryHistory()
        self.prober = self._prober() if options.canaries else None
        gauges.expose(self)

    def _place(self, key: RequestKey) -> QueueKey[RequestKey]:
        return self.flows.place(key)

    def _vault_signer(self, spec: IssuerSpec, credentials: Credentials) -> Signer:
        return vault_signer(spec, credentials, self.metrics.logged_in)

    def _reflectors(self) -> dict[str, Reflector]:
        found = {
            kind: Reflector(self.client, resource, self.issuer_stores[kind], streamed=True)
            for kind, resource in ISSUERS.items()
        }
        found[POLICY_KIND] = Reflector(
            self.client, CERTIFICATE_REQUEST_POLICIES, self.policies, streamed=True
        )
        found["Namespace"] = Reflector(self.client, NAMESPACES, self.namespaces, streamed=True)
        for kind, resource in RBAC.items():
            found[kind] = Reflector(self.client, resource, ChangeNotifier(self._rbac_changed), streamed=True)
        found[CertificateRequest.kind] = Reflector(
            self.client,
            CERTIFICATE_REQUESTS,
            FanOut(self.stores[CertificateRequest], self.revocations),
            field_selector=f"spec.issuerRef.group={GROUP}",
            keep=lambda obj: CertificateRequest(obj).is_ours,
            streamed=True,
        )
        if self.options.certificate_signing_requests:
            found[KubernetesCSR.kind] = Reflector(
                self.client,
                CERTIFICATE_SIGNING_REQUESTS,
                self.stores[KubernetesCSR],
                keep=lambda obj: KubernetesCSR(obj).is_ours,  # the server selects by whole signer names only
                optional=True,
                streamed=True,
            )
        if self.options.watch_certificates:
            found[certificates.KIND] = Reflector(
                self.client,
                CERTIFICATES,
                self.certificates,
                field_selector=f"spec.issuerRef.group={GROUP}",
                keep=self.certificates.is_ours,
                optional=True,
                streamed=True,
            )
        return found

    def _issuer_reconciler(self, build_signer: BuildSigner) -> IssuerReconciler:
        options = self.options
        return IssuerReconciler(
            client=self.client,
            stores=self.issuer_stores,
            resources=ISSUERS,
            registry=self.registry,
            queue=self.issuers,
            flows=self.checks,
            credentials=CredentialReader(self.client, options.backend_settings),
            build_signer=build_signer,
            policies=self.policies,
            approval_rights=self.rights,
            revocation_rights=self.revocation_rights,
            recorder=self.recorder,
            metrics=self.metrics,
            defects=self.defects,
            period=options.issuer_check_period,
            tells=self.ownership.leads,
        )

    def _request_reconciler(self) -> RequestReconciler:
        return RequestReconciler(
            client=self.client,
            stores=self.stores,
            issuers=self.issuer_stores,
            registry=self.registry,
            queue=self.requests,
            issuer_queue=self.issuers,
            approver=Approver(
                self.client,
                self.policies,
                self.namespaces,
                self.access,
                self.metrics,
                names=self.options.name_policies,
            ),
            rights=self.rights,
            csr_permissions=CSRPermissions(self.client, self.signing_rights),
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
            writer=self.writer,
            recorder=self.recorder,
            metrics=self.metrics,
            defects=self.defects,
            finalizer=RevocationFinalizer(self.client, self.revocation_rights),
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
