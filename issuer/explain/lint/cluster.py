"""Linter of the policies of a live cluster, beside its issuers, its RBAC and its namespaces.

Everything is read as the user of the kubeconfig; a missing right is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from issuer.api.group import GROUP, POLICY_KIND, POLICY_PLURAL
from issuer.explain.lint.linting import LintReport, Surroundings, lint_policies
from issuer.kube.client import KubeClient
from issuer.kube.errors import NotFound
from issuer.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from issuer.manifests.cluster import asking_cluster, open_client
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.policy.facts import IssuerReference
from issuer.requests.issuers import BUILT_IN, IssuerKinds
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES

_SOURCE: Final = "cluster"
RBAC: Final = {
    "Role": ROLES,
    "ClusterRole": CLUSTER_ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}
UNBOUND: Final = "nobody but administrators of the cluster may use it"
_BOOTSTRAP: Final = "kubernetes.io/bootstrapping"
"""Label of the roles that Kubernetes brings itself: their `*` is not meant for policies."""


async def lint_cluster(
    kubeconfig: str | None = None, context: str | None = None, kinds: IssuerKinds = BUILT_IN
) -> LintReport:
    """Check the policies of a cluster, for issuers of `kinds`. Raises BadInput."""
    async with open_client(kubeconfig, context) as client:
        with asking_cluster(_rights(kinds)):
            try:
                policies = await _documents(client, POLICY_KIND, CERTIFICATE_REQUEST_POLICIES)
                return lint_policies(policies, await _surroundings(client, kinds), kinds)
            except NotFound as error:
                raise BadInput(
                    "the cluster lacks vault-issuer's CRDs: "
                    "vault-issuer crds | kubectl apply --server-side -f -"
                ) from error


async def _surroundings(client: KubeClient, kinds: IssuerKinds) -> Surroundings:
    rbac = [one for kind, resource in RBAC.items() for one in await _documents(client, kind, resource)]
    issuers = [
        IssuerReference(document.name, kind.api_kind, kind.group)
        for kind in kinds
        for document in await _documents(client, kind.api_kind, kind.resource)
    ]
    namespaces = {
        document.name: document.metadata.get("labels") or {}
        for document in await _documents(client, "Namespace", NAMESPACES)
    }
    return Surroundings(own_roles(rbac), UNBOUND, issuers, namespaces)


def own_roles(rbac: Iterable[Document]) -> list[Document]:
    """Return roles and bindings without those that Kubernetes brings itself."""
    return [one for one in rbac if _BOOTSTRAP not in (one.metadata.get("labels") or {})]


async def _documents(client: KubeClient, kind: str, resource: Resource) -> list[Document]:
    """Return all objects of a kind; items of a list come without their type."""
    typed = {"apiVersion": resource.api_version, "kind": kind}
    return [Document(_SOURCE, {**item, **typed}) async for item in client.list_all(resource)]


def _rights(kinds: IssuerKinds) -> str:
    issuers = ", ".join(f"{kind.resource.plural}.{kind.group}" for kind in kinds)
    rbac = ", ".join(resource.plural for resource in RBAC.values())
    return f"Linting takes list of {POLICY_PLURAL}.{GROUP}, {issuers}, {rbac} and namespaces"
