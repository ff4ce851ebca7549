"""The controller's watches: which kinds are listed and followed, by which selector, into which store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from issuer.api.group import POLICY_KIND
from issuer.controller.process.components import State
from issuer.controller.process.options import ControllerOptions
from issuer.controller.renewals.issued import IssuedRequests
from issuer.controller.revocation.store import FanOut
from issuer.controller.state.watched import certificates
from issuer.controller.state.watched.portions import SharedStores
from issuer.controller.state.watched.store import ChangeNotifier, Store
from issuer.kube.client import KubeClient
from issuer.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from issuer.kube.watching.group import ReflectorGroup
from issuer.kube.watching.handler import Handler
from issuer.kube.watching.reflector import Reflector
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKinds
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.resources import (
    CERTIFICATE_REQUEST_POLICIES,
    CERTIFICATE_REQUESTS,
    CERTIFICATE_SIGNING_REQUESTS,
    CERTIFICATES,
)

RBAC: Final = {
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}
REQUESTS: Final = tuple(kind.kind for kind in KINDS)


class Watches:
    """Reflectors by kind; `rbac_changed` hears of each role or binding that changes after the first list, by
    its namespace; "" for all."""

    def __init__(
        self,
        options: ControllerOptions,
        client: KubeClient,
        kinds: IssuerKinds,
        state: State,
        rbac_changed: Callable[[str], None],
    ) -> None:
        self._options = options
        self._client = client
        self._kinds = kinds
        self._state = state
        self._rbac_changed = rbac_changed
        self.reflectors = self._reflectors()

    @property
    def first(self) -> tuple[str, ...]:
        """Kinds to list before the first request is looked at: half of the policies decide nothing."""
        return *self._state.issuers, POLICY_KIND, "Namespace"

    def late(self) -> list[str]:
        """Return the kinds that are not listed yet.

        RBAC is not waited for, as answers about it age by themselves; nor are CertificateSigningRequests and
        Certificates, as an administrator may withhold them from us.
        """
        unneeded = (*RBAC, KubernetesCSR.kind, certificates.KIND)
        return [
            kind for kind, one in self.reflectors.items() if kind not in unneeded and not one.synced.is_set()
        ]

    def _reflectors(self) -> dict[str, Reflector | ReflectorGroup]:
        found: dict[str, Reflector | ReflectorGroup] = {
            kind.kind: Reflector(self._client, kind.resource, self._state.issuers[kind.kind], streamed=True)
            for kind in self._kinds
        }
        found[POLICY_KIND] = Reflector(
            self._client, CERTIFICATE_REQUEST_POLICIES, self._state.policies, streamed=True
        )
        found["Namespace"] = Reflector(self._client, NAMESPACES, self._state.namespaces, streamed=True)
        for kind, resource in RBAC.items():
            found[kind] = Reflector(self._client, resource, ChangeNotifier(self._rbac_changed), streamed=True)
        requests = self._state.requests[CertificateRequest]
        issued = IssuedRequests(self._state.renewals, self._state.certificates)
        found[CertificateRequest.kind] = self._by_group(
            CERTIFICATE_REQUESTS,
            (requests, self._state.revocations, issued),
            lambda obj: requests.read(obj).is_ours,
        )
        csrs = self._state.requests[KubernetesCSR]
        if self._options.watch.certificate_signing_requests:
            found[KubernetesCSR.kind] = Reflector(
                self._client,
                CERTIFICATE_SIGNING_REQUESTS,
                csrs,
                keep=lambda obj: csrs.read(obj).is_ours,  # the server selects by whole signer names only
                optional=True,
                streamed=True,
            )
        if self._options.watch.certificates:
            found[certificates.KIND] = self._by_group(
                CERTIFICATES, (self._state.certificates,), self._state.certificates.is_ours, optional=True
            )
        return found

    def _by_group(
        self,
        resource: Resource,
        stores: Sequence[Store[Any]],
        keep: Callable[[dict[str, Any]], bool],
        *,
        optional: bool = False,
    ) -> Reflector | ReflectorGroup:
        """Return a reflector that selects by the API groups of issuers.

        cert-manager 1.21's CRDs know the field; where an older one doesn't, each chooses here. None shows
        what is another's: of two copies of an object, the one that comes late would be taken for news.
        """

        def reflector(group: str, handler: Handler) -> Reflector:
            def is_of_group(obj: dict[str, Any]) -> bool:
                return (obj["spec"].get("issuerRef") or {}).get("group") == group and keep(obj)

            return Reflector(
                self._client,
                resource,
                handler,
                field_selector=f"spec.issuerRef.group={group}",
                keep=is_of_group,
                optional=optional,
                streamed=True,
            )

        groups = self._kinds.groups
        if len(groups) == 1:
            return reflector(groups[0], stores[0] if len(stores) == 1 else FanOut(*stores))
        shared = SharedStores(*stores)
        return ReflectorGroup([reflector(group, shared.portion()) for group in groups])
