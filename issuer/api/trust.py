"""`spec.trust` of cluster issuers: where the roots of their certificates are put for others to trust."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from issuer.api.model import ApiModel, Rule, TextList

TRUST_DISTRIBUTED: Final = "TrustDistributed"
"""The condition of an issuer with `spec.trust`."""
DEFAULT_KEY: Final = "ca.crt"
MAX_EXPRESSIONS: Final = 16
MAX_VALUES: Final = 64
CLUSTERS_OWN: Final = "kube-root-ca.crt"
"""The ConfigMap that Kubernetes itself puts into each namespace."""

_NAME: Final = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_KEY: Final = "^[-._a-zA-Z0-9]+$"


def is_config_map_name(name: str) -> bool:
    """Return True for the name of a ConfigMap (a DNS subdomain) that is not the cluster's own."""
    return len(name) <= 253 and name != CLUSTERS_OWN and re.fullmatch(_NAME.strip("^$"), name) is not None


class LabelExpression(ApiModel):
    """One requirement of a label selector, as Kubernetes has it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : "
            "!has(self.values) || size(self.values) == 0",
            holds=lambda one: bool(one.values) is (one.operator in ("In", "NotIn")),
            message="values belong to the operators In and NotIn, which need one at least",
            field="values",
        ),
    )
    key: str = Field(min_length=1, max_length=317, description="The label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label is compared. NotIn holds for objects without the label, too."
    )
    values: TextList = Field(
        default=(),
        max_length=MAX_VALUES,
        description="The values of In and NotIn.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return True if these labels meet the requirement."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
        return self.key not in labels


class LabelSelector(ApiModel):
    """Objects by their labels. Empty, it selects all."""

    match_labels: dict[str, str] | None = Field(
        default=None, description="Labels that it must have, all of them."
    )
    match_expressions: Annotated[tuple[LabelExpression, ...], Field(strict=False)] = Field(
        default=(),
        max_length=MAX_EXPRESSIONS,
        description="Further requirements, all of which must be met.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return True if an object with these labels is selected."""
        wanted = self.match_labels or {}
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            one.holds(labels) for one in self.match_expressions
        )


class TrustConfigMap(ApiModel):
    """A ConfigMap with the roots, in each namespace that is selected."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.name.matches('{_NAME}') && self.name != '{CLUSTERS_OWN}'",
            holds=lambda target: is_config_map_name(target.name),
            message=f"name must be a ConfigMap's (lower case letters, digits, - and .), not {CLUSTERS_OWN}",
            field="name",
        ),
        Rule(
            cel=f"!has(self.key) || (self.key.matches('{_KEY}') && !(self.key in ['.', '..']))",
            holds=lambda target: (
                re.fullmatch(_KEY.strip("^$"), target.key) is not None and target.key not in (".", "..")
            ),
            message="key must be letters, digits, -, _ and .",
            field="key",
        ),
    )
    name: str = Field(
        min_length=1,
        max_length=253,
        description=(
            "Name of the ConfigMap. The controller writes only those that its option --trust-config-map "
            "(the chart's trustDistribution.configMaps) names, and none that somebody else made."
        ),
    )
    key: str = Field(
        default=DEFAULT_KEY,
        max_length=253,
        description=f'Its entry with the roots in PEM; the default is "{DEFAULT_KEY}".',
    )
    namespace_selector: LabelSelector = Field(
        description="The namespaces that get it, by their labels; {} selects all, later ones too."
    )


class TrustBundle(ApiModel):
    """A ClusterTrustBundle with the roots, which pods of every namespace can mount by its signer name."""


class Trust(ApiModel):
    """Places of the CA's roots, for others to trust: all of them while a rotation goes on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.configMap) || has(self.clusterTrustBundle)",
            holds=lambda trust: trust.config_map is not None or trust.cluster_trust_bundle is not None,
            message="trust puts the roots nowhere; set configMap or clusterTrustBundle, or drop trust",
        ),
    )
    config_map: TrustConfigMap | None = Field(
        default=None, description="A ConfigMap with the roots in PEM, in each namespace that is selected."
    )
    cluster_trust_bundle: TrustBundle | None = Field(
        default=None,
        description=(
            "Kubernetes' ClusterTrustBundle with the roots, of the issuer's signer name, such as "
            "vaultclusterissuers.vault-issuer.io/NAME. {} will do. It takes a cluster that serves them, and "
            "the controller's option --cluster-trust-bundles."
        ),
    )
