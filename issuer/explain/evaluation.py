"""Evaluation of one request by all policies, with the controller's engine and in its two steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.explain.policies import PolicySet
from issuer.explain.review_input import ReviewInput
from issuer.kube.identity import User
from issuer.policy.decision import Decision, PolicyEvaluation, evaluate
from issuer.policy.evaluation import Violation, violations
from issuer.policy.facts import RequestFacts
from issuer.policy.selection import Exclusion

NAME_LABEL = "kubernetes.io/metadata.name"
"""Label that the API server itself puts on every namespace."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Decision with what led to it.

    `would_violate` holds, for policies that only lack a `use` binding, what they would deny after it.
    """

    request: ReviewInput
    requester: User
    facts: RequestFacts
    labels: Mapping[str, str]
    policies: PolicySet
    decision: Decision
    would_violate: Mapping[str, tuple[Violation, ...]]
    offline: bool


@dataclass(frozen=True, slots=True)
class PendingEvaluation:
    """Evaluation between the two steps: the right to `use` the policies `to_ask` is still to be known."""

    request: ReviewInput
    requester: User
    facts: RequestFacts
    labels: Mapping[str, str]
    policies: PolicySet
    evaluation: PolicyEvaluation
    offline: bool

    @property
    def to_ask(self) -> tuple[str, ...]:
        """Names of the policies whose use by the requester decides."""
        return self.evaluation.to_ask

    def finish(self, may_use: Mapping[str, bool]) -> Explanation:
        """Decide, given an answer for each of `to_ask`."""
        decision = self.evaluation.decide(may_use)
        if decision is None:
            raise AssertionError("every policy was asked about, and still there is no decision")
        unbound = {result.name for result in decision.results if result.reason is Exclusion.RBAC}
        found = {
            policy.name: violations(policy, self.facts)
            for policy in self.policies.policies
            if policy.name in unbound
        }
        return Explanation(
            self.request,
            self.requester,
            self.facts,
            self.labels,
            self.policies,
            decision,
            found,
            self.offline,
        )


def evaluate_request(
    request: ReviewInput,
    requester: User,
    policies: PolicySet,
    labels: Mapping[str, str],
    *,
    offline: bool,
) -> PendingEvaluation:
    """Take the first step, all but the right to `use`. `labels` are the namespace's, if there is one."""
    facts = request.facts(requester)
    all_labels = {NAME_LABEL: request.namespace, **labels} if request.namespace else labels
    evaluation = evaluate(policies.policies, policies.summaries(), facts, all_labels)
    return PendingEvaluation(request, requester, facts, all_labels, policies, evaluation, offline)
