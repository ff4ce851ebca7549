"""Targets of trust: what the operator lets be written, as the controller's options say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.api.trust import is_config_map_name

MOST_CONFIG_MAPS: Final = 8
"""Each costs a watch."""


class BadTrustTarget(ValueError):
    """A ConfigMap that can't be written; the message names the option, and what to change."""


@dataclass(frozen=True, slots=True)
class TrustTargets:
    """Objects that `spec.trust` may name: ConfigMaps of these names, and ClusterTrustBundles.

    Raises BadTrustTarget.
    """

    config_maps: tuple[str, ...] = ()
    cluster_trust_bundles: bool = False

    def __post_init__(self) -> None:
        for name in self.config_maps:
            if not is_config_map_name(name):
                raise BadTrustTarget(
                    f"--trust-config-map {name!r} can't be a ConfigMap of roots: use another name"
                )
        if len(set(self.config_maps)) > MOST_CONFIG_MAPS:
            raise BadTrustTarget(
                f"--trust-config-map is given {len(self.config_maps)} times: {MOST_CONFIG_MAPS} are the most"
            )
