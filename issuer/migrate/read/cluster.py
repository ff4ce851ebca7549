"""Reads a cluster for a migration, everything but Secrets, as the user of the kubeconfig."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final

from issuer.kube import resources as known
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, NotFound
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.manifests.cluster import asking_cluster
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.migrate.options import Options
from issuer.migrate.origins import CLUSTER_ISSUER, ISSUER, STEP_CLUSTER_ISSUER, STEP_ISSUER
from issuer.migrate.plan import CLUSTER, Note, todo
from issuer.requests import resources
from issuer.site import docs_page

_CERT_MANAGER: Final = "cert-manager.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_GATEWAY: Final = "gateway.networking.k8s.io"

# Kind and resource; the first two must be there. Without the others a plan is poorer, and says so.
_NEEDED: Final = (
    (ISSUER.kind, ISSUER.resource),
    (CLUSTER_ISSUER.kind, CLUSTER_ISSUER.resource),
)
_WANTED: Final = (
    (STEP_ISSUER.kind, STEP_ISSUER.resource),
    (STEP_CLUSTER_ISSUER.kind, STEP_CLUSTER_ISSUER.resource),
    ("Certificate", Resource(_CERT_MANAGER, "v1", "certificates", namespaced=True)),
    ("CertificateRequest", resources.CERTIFICATE_REQUESTS),
    (
        "CertificateRequestPolicy",
        Resource("policy.cert-manager.io", "v1alpha1", "certificaterequestpolicies", namespaced=False),
    ),
    ("Role", known.ROLES),
    ("RoleBinding", known.ROLE_BINDINGS),
    ("ClusterRole", known.CLUSTER_ROLES),
    ("ClusterRoleBinding", known.CLUSTER_ROLE_BINDINGS),
    ("Namespace", known.NAMESPACES),
    ("Ingress", Resource("networking.k8s.io", "v1", "ingresses", namespaced=True)),
    ("Gateway", Resource(_GATEWAY, "v1", "gateways", namespaced=True)),
    ("ListenerSet", Resource(_GATEWAY, "v1", "listenersets", namespaced=True)),
    (
        "CertificateSigningRequest",
        Resource("certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False),
    ),
)
_OURS: Final = (
    ("VaultIssuer", resources.VAULT_ISSUERS),
    ("VaultClusterIssuer", resources.VAULT_CLUSTER_ISSUERS),
    ("CertificateRequestPolicy", resources.CERTIFICATE_REQUEST_POLICIES),
    (STEP_ISSUER.new_kind, STEP_ISSUER.new_resource),
    (STEP_CLUSTER_ISSUER.new_kind, STEP_CLUSTER_ISSUER.new_resource),
)


READS: Final = (
    *(resource for _, resource in (*_NEEDED, *_OURS, *_WANTED)),
    known.SERVICE_ACCOUNTS,
)
"""All resources that are listed."""


def _named(resources: Iterable[Resource]) -> str:
    return ", ".join(f"{one.plural}.{one.group}".rstrip(".") for one in resources)


RIGHTS: Final = (
    f"A plan takes list of {_named(one for _, one in (*_NEEDED, *_OURS))} in the whole cluster, and for all "
    f"that it can tell of {_named((*(one for _, one in _WANTED), known.SERVICE_ACCOUNTS))}: "
    f"{docs_page('migrate', 'rights')} has a ClusterRole with all of these"
)


@dataclass(slots=True)
class Read:
    """Objects that were read, and notes about what couldn't be."""

    documents: list[Document] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


async def read_cluster(client: KubeClient, options: Options) -> Read:
    """Read all that a plan is made of; `options.namespace` limits what is namespaced. Raises BadInput."""
    read = Read()
    with asking_cluster(RIGHTS):
        try:
            await _read_all(client, options, read)
        except NotFound as error:
            raise BadInput(
                "the cluster knows no Issuer of cert-manager.io/v1: is cert-manager there?"
            ) from error
    return read


async def _read_all(client: KubeClient, options: Options, read: Read) -> None:
    for kind, resource in _NEEDED:
        read.documents += [one async for one in _all(client, kind, resource, options.namespace)]
    for kind, resource in _WANTED:
        # Who makes requests counts in all namespaces: a cluster issuer's starter is written once.
        limit = None if kind == "CertificateRequest" else options.namespace
        await _read(client, kind, resource, limit, read)
        if kind in ("Role", "RoleBinding") and options.namespace not in (
            None,
            options.resource_namespace,
        ):
            # What an earlier run has made for cluster issuers.
            await _read(client, kind, resource, options.resource_namespace, read)
    await _read_ours(client, options, read)
    await _read_accounts(client, options, read)


async def _read(client: KubeClient, kind: str, resource: Resource, namespace: str | None, read: Read) -> None:
    try:
        read.documents += [one async for one in _all(client, kind, resource, namespace)]
    except NotFound:
        return  # the cluster has no such kind
    except Forbidden:
        read.notes.append(
            todo(f"{resource.plural}.{resource.group} can't be listed and were not looked at: get that right")
        )


async def _read_ours(client: KubeClient, options: Options, read: Read) -> None:
    try:
        for kind, resource in _OURS:
            read.documents += [one async for one in _all(client, kind, resource, options.namespace)]
    except NotFound:
        read.notes.append(
            todo("vault-issuer is not installed here: apply its CRDs, its RBAC and the controller first")
        )


async def _read_accounts(client: KubeClient, options: Options, read: Read) -> None:
    namespace = options.resource_namespace
    before = len(read.documents)
    await _read(client, "ServiceAccount", known.SERVICE_ACCOUNTS, namespace, read)
    found = {document.name for document in read.documents[before:]}
    controller = options.controller
    if namespace == controller.namespace and controller.name not in found:
        read.notes.append(
            todo(
                f"there is no ServiceAccount {controller.namespace}/{controller.name} for the controller: "
                "install vault-issuer first, or name it with --controller"
            )
        )


async def _all(
    client: KubeClient, kind: str, resource: Resource, namespace: str | None
) -> AsyncIterator[Document]:
    async for item in client.list_all(resource, namespace=namespace if resource.namespaced else None):
        yield Document(CLUSTER, {"apiVersion": resource.api_version, "kind": kind, **_slim(kind, item)})


def _slim(kind: str, item: Object) -> Object:
    """Keep of a CertificateRequest, as there are many, only its author and issuer."""
    if kind != "CertificateRequest":
        return item
    metadata = item.get("metadata") or {}
    spec = item.get("spec") or {}
    return {
        "metadata": {key: metadata.get(key) for key in ("name", "namespace")},
        "spec": {key: spec.get(key) for key in ("issuerRef", "username")},
    }
