"""Reasons of the condition TrustDistributed."""

from __future__ import annotations

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
