"""Reasons of the condition TrustDistributed, and causes for which a namespace is left out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from issuer.reasons import Reason


class TrustReason(Reason):
    """Reasons why an issuer's roots are, or aren't, where `spec.trust` wants them."""

    CAS_NOT_LISTED = "CAsNotListed"
    CLUSTER_TRUST_BUNDLE_REFUSED = "ClusterTrustBundleRefused"
    CLUSTER_TRUST_BUNDLES_FORBIDDEN = "ClusterTrustBundlesForbidden"
    CLUSTER_TRUST_BUNDLES_NOT_SERVED = "ClusterTrustBundlesNotServed"
    CLUSTER_TRUST_BUNDLES_OFF = "ClusterTrustBundlesOff"
    CONFIG_MAP_NOT_ALLOWED = "ConfigMapNotAllowed"
    CONFIG_MAP_TAKEN = "ConfigMapTaken"
    CONFIG_MAPS_FORBIDDEN = "ConfigMapsForbidden"
    DISTRIBUTED = "Distributed"
    INVALID_SPEC = "InvalidSpec"
    ISSUER_NOT_READY = "IssuerNotReady"
    NAMESPACES_LEFT_OUT = "NamespacesLeftOut"
    ROOT_MISSING = "RootMissing"
    ROOTS_TOO_LARGE = "RootsTooLarge"

    @property
    def is_trouble(self) -> bool:
        """Return True if somebody has to do something about the roots themselves: an issuer that is not Ready
        yet says so in its condition Ready."""
        return self not in (TrustReason.DISTRIBUTED, TrustReason.ISSUER_NOT_READY)

    @property
    def keeps_all_back(self) -> bool:
        """Return True if no namespace gets all that the spec wants: it is the issuer's own trouble, not that
        of namespaces."""
        return self.is_trouble and self is not TrustReason.NAMESPACES_LEFT_OUT


class LeftOutCause(StrEnum):
    """Causes for which the ConfigMap of a namespace is not as it should be, as a label of the metric."""

    CHANGED = "changed"
    NOT_OURS = "not_ours"
    QUOTA = "quota"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A ConfigMap of a namespace that is not as it should be. `message` is for the condition."""

    cause: LeftOutCause
    message: str
