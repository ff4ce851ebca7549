"""SubjectAccessReview and SelfSubjectAccessReview: authorization questions to the API server.

The server asks all its authorizers (RBAC, webhooks), so the answer is the one it would act on itself. Both
raise `KubeError`; Forbidden means that this client lacks `create` on the review. Source:
https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.identity import User
from issuer.kube.resources import SELF_SUBJECT_ACCESS_REVIEWS, SUBJECT_ACCESS_REVIEWS, Resource
from issuer.kube.wire import Object


async def may(
    client: KubeClient,
    user: User,
    *,
    verb: str,
    group: str,
    resource: str,
    name: str,
    namespace: str | None,
) -> bool:
    """Return True if `user`, with exactly its groups, may do `verb` to the object `name`.

    `namespace` None asks for the whole cluster: only a ClusterRoleBinding grants that. With a namespace a
    RoleBinding there grants it too, also where `resource` itself is cluster-scoped.
    A user without name and groups may do nothing: the server, which would refuse that, isn't asked.
    """
    if not user.name and not user.groups:
        return False
    spec = _subject(user) | {"resourceAttributes": _attributes(verb, group, resource, name, namespace)}
    return await _ask(client, SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", spec)


async def may_reach(client: KubeClient, user: User, *, verb: str, path: str) -> bool:
    """Return True if `user` may do `verb` at a URL path, as a ClusterRole's `nonResourceURLs` grants.

    The path needn't be one that the API server serves.
    """
    spec = _subject(user) | {"nonResourceAttributes": {"path": path, "verb": verb}}
    return await _ask(client, SUBJECT_ACCESS_REVIEWS, "SubjectAccessReview", spec)


async def may_i(
    client: KubeClient,
    *,
    verb: str,
    group: str,
    resource: str,
    name: str,
    namespace: str | None = None,
    subresource: str = "",
) -> bool:
    """Return True if this client itself may do `verb`; every authenticated user may ask that."""
    attributes = _attributes(verb, group, resource, name, namespace)
    if subresource:
        attributes["subresource"] = subresource
    spec: Object = {"resourceAttributes": attributes}
    return await _ask(client, SELF_SUBJECT_ACCESS_REVIEWS, "SelfSubjectAccessReview", spec)


def _subject(user: User) -> Object:
    return {
        "user": user.name,
        "groups": list(user.groups),
        "uid": user.uid,
        "extra": {key: list(values) for key, values in user.extra},
    }


def _attributes(verb: str, group: str, resource: str, name: str, namespace: str | None) -> Object:
    attributes = {"verb": verb, "group": group, "resource": resource, "name": name}
    return attributes | ({"namespace": namespace} if namespace else {})


async def _ask(client: KubeClient, reviews: Resource, kind: str, spec: Object) -> bool:
    body: Object = {"apiVersion": reviews.api_version, "kind": kind, "spec": spec}
    answer = await client.create(reviews, body)
    status = answer.get("status")
    allowed = status.get("allowed") if isinstance(status, dict) else None
    if not isinstance(allowed, bool):
        raise KubeError(f"the {kind} was answered without status.allowed")
    # `evaluationError` may stand beside either answer (a binding to a role that is gone); `allowed` holds.
    return allowed
