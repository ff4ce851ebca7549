"""Policy explanations against a live cluster: its policies, namespaces and SubjectAccessReviews.

Everything is read as the user of the kubeconfig; a missing right is named with the rule that would grant it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from issuer.api.group import GROUP, POLICY_PLURAL
from issuer.explain.evaluation import Explanation, evaluate_request
from issuer.explain.offline import allowed
from issuer.explain.policies import PolicySet, compiled
from issuer.explain.review_input import ReviewInput
from issuer.kube.access import may
from issuer.kube.client import KubeClient
from issuer.kube.errors import NotFound
from issuer.kube.identity import User
from issuer.kube.resources import NAMESPACES, Resource
from issuer.manifests.cluster import asking_cluster, no_namespace, open_client
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES

_SELF_SUBJECT_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False)
RIGHTS: Final = (
    f"Explaining takes list of {POLICY_PLURAL}.{GROUP}, get of namespaces and create of "
    "subjectaccessreviews.authorization.k8s.io"
)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The cluster to ask, and what the command line overrides of it."""

    kubeconfig: str | None = None
    context: str | None = None
    requester: User | None = None
    allow_use: tuple[str, ...] = ()
    labels: Mapping[str, str] | None = None


async def explain_all(requests: Sequence[ReviewInput], options: ClusterOptions) -> list[Explanation]:
    """Return a decision for each request, by the cluster's policies. Raises BadInput."""
    async with open_client(options.kubeconfig, options.context) as client:
        with asking_cluster(RIGHTS):
            return await explain(client, requests, options)


async def explain(
    client: KubeClient, requests: Sequence[ReviewInput], options: ClusterOptions
) -> list[Explanation]:
    """Decide as `explain_all` does, by an open client. Raises KubeError, BadInput for a missing namespace."""
    policies = await _policies(client)
    return [await _explain(client, request, policies, options) for request in requests]


async def _explain(
    client: KubeClient, request: ReviewInput, policies: PolicySet, options: ClusterOptions
) -> Explanation:
    requester = options.requester or (request.requester if request.requester.name else await _myself(client))
    labels = options.labels if options.labels is not None else await _labels(client, request.namespace)
    pending = evaluate_request(request, requester, policies, labels, offline=False)
    answers: dict[str, bool] = {}
    for name in pending.to_ask:
        answers[name] = await _may_use(client, name, request.namespace, requester, options.allow_use)
    return pending.finish(answers)


async def _may_use(
    client: KubeClient, name: str, namespace: str, requester: User, allow_use: Collection[str]
) -> bool:
    if allowed(name, allow_use):
        return True
    return await may(
        client,
        requester,
        verb="use",
        group=GROUP,
        resource=POLICY_PLURAL,
        name=name,
        namespace=namespace,
    )


async def _policies(client: KubeClient) -> PolicySet:
    try:
        policies = client.list_all(CERTIFICATE_REQUEST_POLICIES)
        specs = [(str(policy["metadata"]["name"]), policy.get("spec") or {}) async for policy in policies]
        return compiled(specs)
    except NotFound:
        note = "the cluster knows no CertificateRequestPolicy: apply the CRDs (kubectl apply -k config/crd)"
        return compiled([], [note])


async def _labels(client: KubeClient, namespace: str) -> Mapping[str, str]:
    if not namespace:
        return {}
    try:
        found = await client.get(NAMESPACES, namespace)
    except NotFound as error:
        raise no_namespace(namespace) from error
    labels = (found.get("metadata") or {}).get("labels")
    return labels if isinstance(labels, dict) else {}


async def _myself(client: KubeClient) -> User:
    """Ask for the user of the kubeconfig, who would make this request by applying it (SelfSubjectReview)."""
    body = {"apiVersion": _SELF_SUBJECT_REVIEWS.api_version, "kind": "SelfSubjectReview"}
    answer = await client.create(_SELF_SUBJECT_REVIEWS, body)
    user = (answer.get("status") or {}).get("userInfo") or {}
    return User.of(user)
