"""Explanations without a cluster: a policy may be used if the files bind it, or the caller says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from issuer.api.group import GROUP
from issuer.explain.evaluation import Explanation, evaluate_request
from issuer.explain.policies import PEER_GROUP, PolicySet
from issuer.explain.review_input import ReviewInput
from issuer.kube.identity import User
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.manifests.rbac import grants_use

EVERY_POLICY = "*"
_GROUPS: Final = frozenset({GROUP, PEER_GROUP, "*"})


def explain(
    request: ReviewInput,
    requester: User,
    policies: PolicySet,
    labels: Mapping[str, str],
    allow_use: Collection[str],
    documents: Sequence[Document] = (),
) -> Explanation:
    """Decide as if the policies in `allow_use` (or all, by `*`) may be used, and those whose use roles and
    bindings among `documents` grant."""
    pending = evaluate_request(request, requester, policies, labels, offline=True)
    return pending.finish(
        {
            name: allowed(name, allow_use)
            or grants_use(documents, name, _GROUPS, request.namespace, requester)
            for name in pending.to_ask
        }
    )


def allowed(name: str, allow_use: Collection[str]) -> bool:
    """Return True if the caller said that this policy may be used."""
    return name in allow_use or EVERY_POLICY in allow_use


def check_known(policies: PolicySet, allow_use: Collection[str]) -> None:
    """Raise BadInput for a name in `allow_use` that no policy has."""
    unknown = sorted(set(allow_use) - set(policies.specs) - {EVERY_POLICY})
    if unknown:
        known = ", ".join(sorted(policies.specs)[:10]) or "none at all"
        raise BadInput(f"--allow-use {unknown[0]}: there is no such policy; there is {known}")


def read_labels(text: str) -> dict[str, str]:
    """Parse labels written as `k=v,k=v`. Raises BadInput."""
    labels: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise BadInput(f"--namespace-labels: {part!r} is not KEY=VALUE")
        labels[key.strip()] = value.strip()
    return labels
