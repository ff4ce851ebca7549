"""The decision to sign a request: policies, their use by requesters, and the issuer's approval mode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from issuer.api.group import GROUP, POLICY_PLURAL
from issuer.bounded import LruCache
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.approval.refusals import StandingRefusals
from issuer.controller.state.outcomes import (
    AwaitingApproval,
    Denied,
    RefusedSoon,
    RequestFailed,
    RetryLater,
    Unprocessed,
    retry_later,
)
from issuer.controller.state.reasons import ControllerDenial, ControllerFailure
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.kube.access import may
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError, NotFound
from issuer.kube.identity import User
from issuer.kube.resources import NAMESPACES
from issuer.kube.single_flight import Epochs, SingleFlightCache
from issuer.policy.decision import (
    Allowance,
    Decision,
    PolicyEvaluation,
    PolicyVerdict,
    approval_message,
    evaluate,
)
from issuer.policy.evaluation import defect_violations
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.requests.conditions import bounded
from issuer.requests.reason_message import Opening, with_reason
from issuer.requests.reasons import RequestFailure
from issuer.requests.request import Request
from issuer.signing.secrets import kubernetes_retry
from issuer.telemetry.metrics import Metrics
from issuer.x509.request import CertificateSigningRequest

# Answers of a SubjectAccessReview are believed this long; a change of RBAC that we see ends that at once.
ACCESS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Grounds:
    """The version of all policies, and the labels of the request's namespace, that an approval is due to.

    `labels` are None where the namespace was not known yet.
    """

    policies: int
    labels: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Approval:
    """The request may be signed.

    `message` goes into our Approved condition; None when we set none. `policy` approved it, and allows the
    CA what `allowance` says; both are None where another approver's word was enough.
    """

    message: str | None
    grounds: Grounds
    policy: str | None = None
    allowance: Allowance | None = None


class AccessCache:
    """Asks whether a requester may `use` a policy, and remembers the answer for seconds.

    The key holds every input of the check; many who ask the same share one call.
    """

    def __init__(
        self,
        client: KubeClient,
        seconds: float = ACCESS_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._answers: SingleFlightCache[tuple[str, str, User, int]] = SingleFlightCache(seconds, clock)
        self._epochs = Epochs()

    def clear(self) -> None:
        """Forget the answers, as RBAC changed."""
        self._answers.clear()

    def clear_in(self, namespace: str) -> None:
        """Forget the answers about a namespace, as RBAC changed there."""
        if self._epochs.changed(namespace):
            self._answers.clear()

    def still_may_use(self, policy: str, namespace: str, user: User) -> bool:
        """Return True if the last answer was yes and is not too old. Asks nobody."""
        return self._answers.still_yes((policy, namespace, user, self._epochs.of(namespace)))

    async def may_use(self, policy: str, namespace: str, user: User) -> bool:
        """Return True if `user` may use the policy in that namespace.

        Raises KubeError if the API server can't say.
        """
        return await self._answers.get(
            (policy, namespace, user, self._epochs.of(namespace)),
            lambda: may(
                self._client,
                user,
                verb="use",
                group=GROUP,
                resource=POLICY_PLURAL,
                name=policy,
                namespace=namespace,
            ),
        )


class Evaluations:
    """Keeps the evaluations of requests, so that looking again at it costs nothing while no policy changes.

    A request's spec is frozen, so its uid, its news, the policies, its namespace's labels and whether the CA
    holds it against anything are all that matters.
    """

    def __init__(self, policies: PolicyStore, most: int = 2_000) -> None:
        self._policies = policies
        self._kept: LruCache[str, tuple[tuple[object, ...], PolicyEvaluation]] = LruCache(most)

    def of(self, request: Request, facts: RequestFacts, labels: Mapping[str, str]) -> PolicyEvaluation:
        """Return the evaluation of this request by the policies as they are now."""
        inputs = (self._policies.version, labels, request.news, facts.policy_only)
        kept = self._kept.get(request.uid)
        if kept is not None and kept[0] == inputs:
            return kept[1]
        elsewhere = self._policies.invalid_elsewhere(facts.issuer)
        made = evaluate(self._policies.policies, self._policies.invalid, facts, labels, elsewhere)
        self._kept.put(request.uid, (inputs, made))
        return made

    def forget(self, request: Request) -> None:
        """Forget a request that is decided."""
        self._kept.pop(request.uid)


@dataclass(slots=True, eq=False)
class Approver:
    """Decides requests by the issuer's approval mode.

    `names` is False where tenants should not read the names of policies in
    the reason why a request waits. `refusals` say when a refusal is final.
    """

    client: KubeClient
    policies: PolicyStore
    namespaces: NamespaceStore
    access: AccessCache
    metrics: Metrics
    names: bool = True
    refusals: StandingRefusals = field(default_factory=StandingRefusals)
    evaluating: asyncio.Lock = field(default_factory=asyncio.Lock)
    evaluations: Evaluations = field(init=False)

    def __post_init__(self) -> None:
        self.evaluations = Evaluations(self.policies)

    async def evaluate(
        self, request: Request, csr: CertificateSigningRequest, mode: str, *, policy_only: bool = False
    ) -> Approval | AwaitingApproval | Denied | RefusedSoon | RequestFailed | Unprocessed | RetryLater:
        """Return what becomes of the request under `Policy` or `External` approval.

        `policy_only`: the backend signs whatever is asked there, so another approver's word is never enough.
        """
        if mode == "External" and not request.approved:
            return AwaitingApproval()
        if csr.contents.defects:
            return self._invalid(request, csr)
        if mode == "External" and not policy_only and not self.policies.may_select(_reference(request)):
            return Approval(None, self._grounds(request))
        grounds = self._grounds(request)
        try:
            decision = await self.decide(request, csr, policy_only=policy_only)
        except KubeError as error:
            return retry_later(kubernetes_retry(error, "ask who may use the policies"))
        waits = self._refused_soon(request, decision)
        if waits is not None:
            return waits
        if decision.verdict is not PolicyVerdict.UNPROCESSED:
            self.evaluations.forget(request)
        self._count(decision)
        return self._outcome(request, decision, grounds)

    def _refused_soon(self, request: Request, decision: Decision) -> RefusedSoon | None:
        """Return None unless policies refuse the request and have not done so for long."""
        if decision.verdict is not PolicyVerdict.DENIED:
            self.refusals.end(request.uid)
            return None
        left = self.refusals.left(request.uid) if decision.mendable else 0.0
        if not left:
            return None
        return RefusedSoon(bounded(f"{Opening.REFUSED_SOON}. {decision.summary(names=self.names)}"), left)

    def _invalid(self, request: Request, csr: CertificateSigningRequest) -> Denied | RequestFailed:
        """End a request that no policy could allow, even if none is asked."""
        self.metrics.decisions.labels(PolicyVerdict.DENIED.value, "").inc()
        problems = "; ".join(one.message for one in defect_violations(csr.contents))
        sentence = f"{problems}. No policy can allow that: change the request"
        message = bounded(with_reason(RequestFailure.INVALID_NAME, sentence))
        if request.approved:
            return RequestFailed(message, RequestFailure.INVALID_NAME)
        return Denied(message, ControllerDenial.INVALID_NAME)

    def _count(self, decision: Decision) -> None:
        """A denial counts for each policy that refused. One deleted meanwhile must leave no series behind."""
        deciding = [decision.policy or ""]
        if decision.verdict is PolicyVerdict.DENIED:
            deciding = [one.name for one in decision.results if one.applies]
        for policy in {name if name and self.policies.get(name) else "" for name in deciding}:
            self.metrics.decisions.labels(decision.verdict.value, policy).inc()

    def changed(self, request: Request, approval: Approval) -> str | None:
        """Return, in words, what an approval is due to and has changed since, or is not known any more.

        None where it stands. Asks nobody.
        """
        now, then = self._grounds(request), approval.grounds
        if now.policies != then.policies:
            return "a policy"
        if approval.policy is None:
            return None
        if now.labels != then.labels:
            return "its namespace's labels"
        if not self.access.still_may_use(approval.policy, request.policy_namespace, request.requester):
            return "who may use the policy, or the answer about that is old"
        return None

    def _grounds(self, request: Request) -> Grounds:
        """Return what the watches have shown by now."""
        namespace = request.policy_namespace
        return Grounds(self.policies.version, self.namespaces.labels(namespace) if namespace else None)

    def _outcome(
        self, request: Request, decision: Decision, grounds: Grounds
    ) -> Approval | Denied | RequestFailed | Unprocessed:
        if decision.verdict is PolicyVerdict.APPROVED:
            message = approval_message(str(decision.policy))
            return Approval(
                None if request.approved else message, grounds, decision.policy, decision.allowance
            )
        summary = decision.summary(names=self.names)
        if decision.verdict is PolicyVerdict.UNPROCESSED:
            return Unprocessed(summary)
        if request.approved:
            # Denied never stands beside Approved: cert-manager's webhook forbids it.
            return RequestFailed(f"{Opening.ALLOWED_BY_NONE}: {summary}", ControllerFailure.POLICY_DENIED)
        return Denied(summary)

    async def decide(
        self, request: Request, csr: CertificateSigningRequest, *, policy_only: bool = False
    ) -> Decision:
        """The policies' decision, with RBAC; raises KubeError when the API server can't say who may what."""
        facts = _facts(request, csr, policy_only=policy_only)
        labels = await self._labels(request.policy_namespace)
        one = self.evaluations.of(request, facts, labels)
        answers: dict[str, bool] = {}
        decision, requester = await self._settled(one, answers), request.requester
        for name in one.to_ask:
            if decision is not None:
                break
            answers[name] = await self.access.may_use(name, request.policy_namespace, requester)
            decision = await self._settled(one, answers)
        if decision is None:
            raise AssertionError("every policy was asked for and nothing is decided")
        return decision

    async def _settled(self, one: PolicyEvaluation, answers: Mapping[str, bool]) -> Decision | None:
        """Evaluate one policy at most, one request at a time; the event loop goes round after each step.

        However long rules take, the Lease and other requests get their turn.
        """
        async with self.evaluating:
            for _ in one.steps(answers):
                await asyncio.sleep(0)
            decision = one.decide(answers)
            await asyncio.sleep(0)
            return decision

    async def _labels(self, namespace: str) -> Mapping[str, str]:
        known = self.namespaces.labels(namespace) if namespace else {}
        if known is not None:
            return known
        try:
            # A request can be seen before its namespace, as they come by different watches.
            found = await self.client.get(NAMESPACES, namespace)
        except NotFound:
            return {}
        return found["metadata"].get("labels") or {}


def _reference(request: Request) -> IssuerReference:
    return IssuerReference(**request.issuer_kinds.reference(request.issuer))


def _facts(request: Request, csr: CertificateSigningRequest, *, policy_only: bool) -> RequestFacts:
    spec = request.spec
    return RequestFacts(
        name=request.key.name,
        namespace=request.policy_namespace,
        username=spec.get("username") or "",
        groups=tuple(spec.get("groups") or ()),
        issuer=_reference(request),
        csr=csr,
        duration=request.judged_duration,
        usages=tuple(spec.get("usages") or ()),
        is_ca=request.is_ca,
        shortens=request.policy_shortens,
        policy_only=policy_only,
        names_common_name=request.issuer_kinds[request.issuer.kind].names_common_name,
    )
