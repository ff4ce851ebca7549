"""Inventory of a migration: documents sorted by what they mean to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from issuer.api.group import CLUSTER_ISSUER_KIND, GROUP, ISSUER_KIND
from issuer.explain.policies import PEER_GROUP
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.manifests.rbac import RBAC_GROUP
from issuer.migrate.origins import (
    CERT_MANAGER_GROUP,
    ORIGINS,
    STEP_CLUSTER_ISSUER,
    STEP_GROUP,
    STEP_ISSUER,
    IssuerOrigin,
)
from issuer.migrate.origins import CLUSTER_ISSUER as CERT_MANAGERS
from issuer.policy.facts import IssuerReference

_POLICY: Final = "CertificateRequestPolicy"
_NAMESPACED: Final = frozenset(
    {"Issuer", "Certificate", "CertificateRequest", "Ingress", "Gateway", "ListenerSet", "XListenerSet"}
    | {"Role", "RoleBinding", "ServiceAccount", ISSUER_KIND, STEP_ISSUER.kind}
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INGRESS_LIKE: Final = frozenset({"Ingress", "Gateway", "ListenerSet", "XListenerSet"})
_INGRESS_GROUPS: Final = frozenset(
    {"networking.k8s.io", "extensions", "gateway.networking.k8s.io", "gateway.networking.x-k8s.io"}
)


class Ref(NamedTuple):
    """Name of an issuer before the migration; `namespace` is empty for cluster issuers."""

    kind: str
    namespace: str
    name: str

    @property
    def origin(self) -> IssuerOrigin:
        """Kind with its group; a kind that is none of these counts as cert-manager's cluster issuers."""
        return ORIGINS.get(self.kind, CERT_MANAGERS)

    @property
    def new_kind(self) -> str:
        """Kind of its successor."""
        return self.origin.new_kind

    @property
    def where(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def old(self) -> str:
        """Display name before the migration: kind, namespace and name."""
        return f"{self._shown} {self.where}"

    @property
    def quoted(self) -> str:
        """The old kind and name, as sentences hold them."""
        return f'{self._shown} "{self.where}"'

    @property
    def new(self) -> str:
        """Display name after the migration: kind, namespace and name."""
        return f"{self.origin.new_shown} {self.where}"

    @property
    def new_reference(self) -> IssuerReference:
        """Reference that policies see in requests after the migration."""
        return IssuerReference(name=self.name, kind=self.new_kind, group=GROUP)

    @property
    def old_reference(self) -> IssuerReference:
        """Reference that policies see in requests before the migration."""
        return IssuerReference(name=self.name, kind=self.kind, group=self.origin.group)

    @property
    def signer(self) -> str:
        """Part of a signerName after the slash."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    @property
    def new_signer(self) -> str:
        """The signerName after the migration."""
        return f"{self.origin.new_signer_domain}/{self.signer}"

    @property
    def _shown(self) -> str:
        return ORIGINS[self.kind].shown if self.kind in ORIGINS else self.kind


@dataclass(slots=True)
class Inventory:
    """Objects that were read, by their role. `ours` and `there` are keyed by (kind, namespace, name)."""

    issuers: list[Document] = field(default_factory=list)
    policies: list[Document] = field(default_factory=list)
    certificates: list[Document] = field(default_factory=list)
    requests: list[Document] = field(default_factory=list)
    ingresses: list[Document] = field(default_factory=list)
    signing_requests: list[Document] = field(default_factory=list)
    roles: list[Document] = field(default_factory=list)
    bindings: list[Document] = field(default_factory=list)
    our_policies: list[Document] = field(default_factory=list)
    there: dict[tuple[str, str, str], Document] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def has(self, manifest: Mapping[str, Any]) -> Document | None:
        """Return the object of the same kind, namespace and name that was read, if any."""
        return self.there.get(_key(manifest))


def sort(documents: Iterable[Document], namespace: str | None) -> Inventory:
    """Sort documents into an inventory. `namespace` is for those that name none.

    Raises BadInput for objects without a name or namespace, and for two of the same.
    """
    found = Inventory()
    for document in documents:
        if document.kind == "Namespace" and not document.group:
            found.namespaces[document.name] = {
                k: text(v) for k, v in inner(document.metadata, "labels").items()
            }
            continue
        bucket = _bucket(found, document)
        if bucket is None:
            found.others[document.kind or "(no kind)"] += 1
            continue
        if document.kind == "CertificateRequest":  # only who made it counts
            bucket.append(document)
            continue
        placed = _placed(document, namespace)
        key = (f"{placed.kind}.{placed.group}", namespace_of(placed), placed.name)
        earlier = found.there.get(key)
        if earlier is not None:
            raise BadInput(f"{placed.source}: {title(placed)} is also in {earlier.source}; give it once")
        found.there[key] = placed
        bucket.append(placed)
    return found


def namespace_of(document: Document) -> str:
    """Return `metadata.namespace`, or ''."""
    namespace = document.metadata.get("namespace")
    return namespace if isinstance(namespace, str) else ""


def title(document: Document) -> str:
    """Return kind, namespace and name in one text."""
    namespace = namespace_of(document)
    return f"{document.kind} {namespace}/{document.name}" if namespace else f"{document.kind} {document.name}"


def is_live(document: Document) -> bool:
    """Return True if a cluster gave it, also by kubectl into a file."""
    return "uid" in document.metadata


def is_plain(*words: str) -> bool:
    """Return True if words can stand in a command that people paste into a shell, as names of objects can."""
    return all(_PLAIN.fullmatch(word) for word in words)


def inner(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at this path, or {}."""
    for key in path:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data


def texts(value: object) -> list[str]:
    """Return the texts of a list, [] if it is none."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text, or '' for another value."""
    return value if isinstance(value, str) else ""


def _key(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    metadata = manifest["metadata"]
    return f"{manifest['kind']}.{group}", metadata.get("namespace", ""), metadata["name"]


def _bucket(found: Inventory, document: Document) -> list[Document] | None:
    """Return the list that a document belongs in; None if it is no concern of a migration."""
    kind = document.kind
    by_group: dict[str, dict[str, list[Document]]] = {
        CERT_MANAGER_GROUP: {
            "Issuer": found.issuers,
            "ClusterIssuer": found.issuers,
            "Certificate": found.certificates,
            "CertificateRequest": found.requests,
        },
        STEP_GROUP: {STEP_ISSUER.kind: found.issuers, STEP_CLUSTER_ISSUER.kind: found.issuers},
        PEER_GROUP: {_POLICY: found.policies},
        GROUP: {
            _POLICY: found.our_policies,
            **{kind: [] for kind in (ISSUER_KIND, CLUSTER_ISSUER_KIND)},
            **{kind: [] for kind in (STEP_ISSUER.new_kind, STEP_CLUSTER_ISSUER.new_kind)},
        },
        "certificates.k8s.io": {"CertificateSigningRequest": found.signing_requests},
        RBAC_GROUP: {
            "Role": found.roles,
            "ClusterRole": found.roles,
            "RoleBinding": found.bindings,
            "ClusterRoleBinding": found.bindings,
        },
        "": {"ServiceAccount": []},
    }
    if document.group in _INGRESS_GROUPS and kind in _INGRESS_LIKE:
        return found.ingresses
    return by_group.get(document.group, {}).get(kind)


def _placed(document: Document, namespace: str | None) -> Document:
    if not document.name:
        raise BadInput(f"{document.source}: metadata.name is missing")
    if document.kind not in _NAMESPACED or namespace_of(document):
        return document
    if namespace is None:
        raise BadInput(f"{document.source}: {title(document)} names no namespace; give --namespace")
    return replace(
        document, data={**document.data, "metadata": {**document.metadata, "namespace": namespace}}
    )
