"""Kinds of issuers that a migration carries over, each with the kind that takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.api.group import (
    CLUSTER_ISSUER_KIND,
    CLUSTER_ISSUER_PLURAL,
    GROUP,
    ISSUER_KIND,
    ISSUER_PLURAL,
    VERSION,
)
from issuer.kube.resources import Resource

CERT_MANAGER_GROUP: Final = "cert-manager.io"
STEP_GROUP: Final = "certmanager.step.sm"
"""API group of step-issuer (github.com/smallstep/step-issuer, api/v1beta1)."""


@dataclass(frozen=True, slots=True)
class IssuerOrigin:
    """A kind of issuers, and its successor of this product's group.

    `new_family` is a wildcard pattern that matches its successor's kind and no kind of another family.
    """

    kind: str
    resource: Resource
    new_kind: str
    new_plural: str
    new_family: str

    @property
    def group(self) -> str:
        """API group, as `issuerRef.group` names it."""
        return self.resource.group

    @property
    def shown(self) -> str:
        """Kind as sentences name it: with the group where two groups have a kind of that name."""
        return self.kind if self.kind != self.new_kind else f"{self.kind}.{self.group}"

    @property
    def new_shown(self) -> str:
        """Successor's kind as sentences name it: with the group where two groups have one of that name."""
        return self.new_kind if self.kind != self.new_kind else f"{self.new_kind}.{GROUP}"

    @property
    def new_resource(self) -> Resource:
        """API resource of its successor."""
        return Resource(GROUP, VERSION, self.new_plural, namespaced=self.resource.namespaced)

    @property
    def signer_domain(self) -> str:
        """Domain of signer names, `PLURAL.GROUP` (cert-manager.io/docs/usage/kube-csr)."""
        return f"{self.resource.plural}.{self.group}"

    @property
    def new_signer_domain(self) -> str:
        """Domain of the successor's signer names."""
        return f"{self.new_plural}.{GROUP}"


def _cert_managers(kind: str, plural: str, namespaced: bool, new_kind: str, new_plural: str) -> IssuerOrigin:
    resource = Resource(CERT_MANAGER_GROUP, "v1", plural, namespaced=namespaced)
    return IssuerOrigin(kind, resource, new_kind, new_plural, "Vault*")


def _step_issuers(kind: str, plural: str, namespaced: bool) -> IssuerOrigin:
    resource = Resource(STEP_GROUP, "v1beta1", plural, namespaced=namespaced)
    return IssuerOrigin(kind, resource, kind, plural, "Step*")


ISSUER: Final = _cert_managers("Issuer", "issuers", True, ISSUER_KIND, ISSUER_PLURAL)
CLUSTER_ISSUER: Final = _cert_managers(
    "ClusterIssuer", "clusterissuers", False, CLUSTER_ISSUER_KIND, CLUSTER_ISSUER_PLURAL
)
STEP_ISSUER: Final = _step_issuers("StepIssuer", "stepissuers", True)
STEP_CLUSTER_ISSUER: Final = _step_issuers("StepClusterIssuer", "stepclusterissuers", False)

ORIGINS: Final = {one.kind: one for one in (ISSUER, CLUSTER_ISSUER, STEP_ISSUER, STEP_CLUSTER_ISSUER)}
"""By kind: no two groups have a kind of one name."""


def referred(kind: object, group: object) -> str | None:
    """Return the kind that an `issuerRef` means; None for another group.

    A kind that its group has not comes with the group, so that it is taken for none of these.
    """
    where = group or CERT_MANAGER_GROUP
    if where == STEP_GROUP:
        # Its controller takes every other kind for a StepIssuer (certificaterequest_controller.go).
        return STEP_CLUSTER_ISSUER.kind if kind == STEP_CLUSTER_ISSUER.kind else STEP_ISSUER.kind
    if where != CERT_MANAGER_GROUP:
        return None
    named = str(kind or ISSUER.kind)
    known = ORIGINS.get(named)
    return named if known is None or known.group == where else f"{named}.{where}"
