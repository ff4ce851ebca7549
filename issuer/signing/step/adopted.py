"""step-issuer's own kinds, served in its place: `certmanager.step.sm/v1beta1`, by the CRDs that it installs.

Their specs have none of our fields, and their statuses nothing but conditions without `observedGeneration`
(step-issuer 0.12.0, `api/v1beta1`): what else is written the API server prunes. So another approver goes
first, as with step-issuer, and policies that select the group hold beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.api.group import STEP_CLUSTER_ISSUER_KIND, STEP_ISSUER_KIND
from issuer.api.step import StepIssuerSpec
from issuer.kube.resources import Resource
from issuer.requests.issuers import IssuerKind
from issuer.signing.step.backend import StepBackend

GROUP: Final = "certmanager.step.sm"
_VERSION: Final = "v1beta1"
_FIELDS: Final = ("url", "caBundle", "provisioner")


def _kind(kind: str, plural: str, *, namespaced: bool) -> IssuerKind:
    resource = Resource(GROUP, _VERSION, plural, namespaced=namespaced)
    # step-issuer takes every kind but its cluster one for a StepIssuer (certificaterequest_controller.go).
    return IssuerKind(f"{kind}.{GROUP}", resource, names_common_name=True, takes_other_kinds=namespaced)


ADOPTED_KINDS: Final = (
    _kind(STEP_ISSUER_KIND, "stepissuers", namespaced=True),
    _kind(STEP_CLUSTER_ISSUER_KIND, "stepclusterissuers", namespaced=False),
)


class AdoptedStepBackend(StepBackend):
    """Signs for step-issuer's StepIssuers and StepClusterIssuers; see `issuer.signing.backend.Backend`."""

    name = "step-issuer"
    kinds = ADOPTED_KINDS
    status_fields = frozenset[str]()
    peer = "step-issuer"
    keeps_generation = False

    def parse(self, spec: Mapping[str, Any]) -> StepIssuerSpec:
        """Return the spec of an issuer, as ours that waits for another approver. Raises SpecError."""
        theirs = {name: spec[name] for name in _FIELDS if name in spec}
        return super().parse({**theirs, "approval": "External"})
