"""A request reconciler between a scripted API server and a scripted signer, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.access.permissions import ApprovalRights, SigningRights
from issuer.controller.approval.approver import AccessCache, Approver
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.delivery.answer_log import NoAnswerLog
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
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.renewals.guard import RenewalGuard
from issuer.controller.renewals.loops import RenewalLoops
from issuer.controller.renewals.owners import CertificateOwners
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.certificates import CertificateStore
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import LONGEST_RETRY, WorkQueue
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import BUILT_IN, IssuerKey
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import Request, RequestKey
from issuer.signing.vault.profile import signing_profile
from issuer.telemetry.metrics import Metrics
from testbed.samples import everything_policy
from tests.builders import NOW, REASON_LABELS, approved, certificate_request, issuer_object
from tests.ca import TestCA
from tests.unit.controller.fakes import ScriptedKube, ScriptedSigner, SilentRecorder

CLUSTER_ISSUER = IssuerKey("VaultClusterIssuer", "", "demo")
KEY = RequestKey("team-a", "one")


class AllowedTo:
    """Who may use which policy: everybody, until a test says otherwise."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.asked = 0

    async def may_use(self, policy: str, _namespace: str, _spec: Mapping[str, Any]) -> bool:
        self.asked += 1
        return policy not in self.refused

    def still_may_use(self, policy: str, _namespace: str, _spec: Mapping[str, Any]) -> bool:
        return policy not in self.refused


class Rights:
    """Whether the controller may approve and sign; it may until a test says otherwise."""

    allowed = True
    may_write = True

    signer_names = staticmethod(BUILT_IN.signer_names)

    async def may_approve(self, _key: IssuerKey) -> bool:
        return self.allowed

    async def may_sign(self, _key: IssuerKey) -> bool:
        return self.may_write

    def still_may(self, _key: IssuerKey) -> bool:
        return self.allowed and self.may_write


def _home(namespace: str) -> str:
    return namespace or "vault-issuer-system"


def with_meta(policy: Object, generation: int = 1) -> Object:
    """A policy as the API server sends it."""
    meta = {**policy["metadata"], "uid": f"uid-{policy['metadata']['name']}", "generation": generation}
    return {**policy, "metadata": {**meta, "resourceVersion": "1"}}


class Bench:
    """A request reconciler between a scripted API server and a scripted signer."""

    def __init__(
        self, ca: TestCA, kube: ScriptedKube | None = None, signer: ScriptedSigner | None = None
    ) -> None:
        self.ca = ca
        self.kube = kube or ScriptedKube()
        self.signer = signer or ScriptedSigner()
        self.metrics = Metrics(REASON_LABELS)
        self.defects = Defects(self.metrics)
        # Nothing that is put off comes back by itself while a test runs, however long that takes.
        self.queue: WorkQueue[RequestKey] = WorkQueue(first=LONGEST_RETRY)
        self.issuer_queue: WorkQueue[IssuerKey] = WorkQueue()
        self.stores = {kind: RequestStore(kind, lambda _key: None) for kind in KINDS}
        self.store = self.stores[CertificateRequest]
        self.registry = IssuerRegistry(self.queue.add, self.queue.hasten)
        self.recorder = SilentRecorder()
        self.leading = True
        client = cast(KubeClient, self.kube)
        self.writer = StatusWriter(client)
        self.delivery = Delivery(self.writer, self.metrics, lambda: NOW)
        self.limits = Limits(self.registry, self.metrics, 16, self.delivery.held.of_issuer)
        self.delivery.refused.most = self.limits.most
        self.policies = PolicyStore(lambda _name: None, partial(self.defects.note, "policies"))
        self.policies.upsert(with_meta(everything_policy()))
        self.access = AllowedTo()
        self.rights = Rights()
        self.unprocessed = UnprocessedRequests(self.queue.add)
        self.namespaces = namespaces = NamespaceStore(lambda _name: None)
        namespaces.upsert({"metadata": {"name": "team-a"}})
        self.issuers = {
            kind: IssuerStore(kind, lambda _key: None) for kind in ("VaultIssuer", "VaultClusterIssuer")
        }
        self.seconds = 0.0
        self.signers = IssuerSigners(
            client, self.issuers, self.registry, self.issuer_queue, {}, _home, lambda: self.seconds
        )
        self.loops, self.certificates = RenewalLoops(), CertificateStore()
        self.checks = CertificateRequestChecks(
            self.registry, self.issuer_queue, cast(ApprovalRights, self.rights)
        )
        checks: dict[type[Request], KindChecks] = {
            CertificateRequest: self.checks,
            KubernetesCSR: CSRPermissions(client, cast(SigningRights, self.rights)),
        }
        approver = Approver(client, self.policies, namespaces, cast(AccessCache, self.access), self.metrics)
        self.last_look = LastLook(
            self.stores,
            self.issuers,
            self.registry,
            approver,
            checks,
            lambda _key: self.leading,
            self.limits,
        )
        undelivered = Undelivered(self.delivery.discarder, self.metrics, self.defects)
        self.decider = RequestDecider(
            issuers=self.issuers,
            registry=self.registry,
            checks=checks,
            approver=approver,
            unprocessed=self.unprocessed,
            signing=SigningStep(
                self.registry,
                self.issuer_queue,
                Acceptance(self.registry, self.delivery, self.metrics, undelivered, lambda: NOW),
                self.metrics,
                self.limits,
                self.last_look,
                undelivered,
                self.signers,
                lambda: NOW,
            ),
            delivery=self.delivery,
            renewals=RenewalGuard(self.loops, CertificateOwners(client, self.certificates), lambda: NOW),
        )
        self.reporter = RequestReporter(
            self.stores,
            self.writer,
            cast(EventRecorder, self.recorder),
            self.metrics,
            NoAnswerLog(),
            lambda: NOW,
        )
        self.reconciler = RequestReconciler(
            reader=RequestReader(client, self.stores),
            decider=self.decider,
            reporter=self.reporter,
            delivery=self.delivery,
            checks=checks,
            registry=self.registry,
            queue=self.queue,
            defects=self.defects,
        )

    def with_ready_issuer(self, *secrets: tuple[str, str]) -> Bench:
        """A VaultClusterIssuer `demo` that was checked and signs; `secrets` are names and versions."""
        obj = issuer_object()
        self.issuers["VaultClusterIssuer"].upsert(obj)
        entry = self.registry.entry(CLUSTER_ISSUER)
        entry.uid, entry.generation = obj["metadata"]["uid"], obj["metadata"]["generation"]
        entry.spec = spec = VaultIssuerSpec.parse(obj["spec"])
        entry.profile = signing_profile(spec)
        entry.shared = SharedSigner(self.signer, Identity("uid-1", 1, secrets))
        self.registry.mark_ready(CLUSTER_ISSUER)
        return self

    def with_request(self, **more: Any) -> Bench:
        """An approved request `team-a/one`."""
        more.setdefault("conditions", [approved()])
        self.store.upsert(certificate_request(**more))
        return self

    def signs(self, **more: Any) -> Bench:
        """The CA signs what it is asked to, once."""
        self.signer.signs.append(lambda request: self.ca.sign(request.csr_pem, **more))
        return self

    async def reconcile(self, key: RequestKey = KEY) -> None:
        """One attempt, after which every scripted call must have been made."""
        await self.reconciler.reconcile(key)
        assert not self.kube.script, f"calls not made: {list(self.kube.script)}"
        assert not self.signer.signs, "a scripted signing was not asked for"

    @property
    def ready(self) -> Object:
        """The Ready condition last written."""
        conditions = self.kube.written[-1]["status"]["conditions"]
        return next(one for one in conditions if one["type"] == "Ready")
