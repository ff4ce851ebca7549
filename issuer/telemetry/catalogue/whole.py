"""Every metric of the controller: name, type, labels, meaning, and how many series it makes.

docs/metrics.md is made from this, and `Metrics` and `CanaryMetrics` make nothing that isn't here. A label's
values are either the code's, and listed here, or they name an issuer or a policy: the number of series grows
with those alone. Requests, certificates, requesters and the namespaces of either are never labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from issuer.telemetry.catalogue.described import MetricDescription
from issuer.telemetry.catalogue.label_values import OTHER, ReasonLabels
from issuer.telemetry.catalogue.process import PROCESS_METRICS
from issuer.telemetry.catalogue.requests import REQUEST_METRICS

CATALOGUE: Final = (*REQUEST_METRICS, *PROCESS_METRICS)

PROCESS_SERIES: Final = 15
"""`process_*` (6) and `python_gc_*` (3, for each of 3 generations), which prometheus-client adds."""


def find(name: str) -> MetricDescription:
    """Return the description of the metric of that name. Raises KeyError."""
    return _BY_NAME[name]


def with_reasons(reasons: ReasonLabels) -> tuple[MetricDescription, ...]:
    """Return the catalogue of a controller whose requests end and wait for these reasons.

    In `CATALOGUE` itself, labels of reasons and differences hold `OTHER` alone.
    """
    made = {one.name: one for one in (_requests(reasons), _put_off(reasons), _differences(reasons))}
    return tuple(made.get(one.name, one) for one in CATALOGUE)


def _requests(reasons: ReasonLabels) -> MetricDescription:
    denials, failures = sorted(reasons.denials), (*sorted(reasons.failures), OTHER)
    zero = (
        ("issued", "Issued"),
        *(("denied", reason) for reason in denials),
        *(("failed", reason) for reason in failures),
    )
    bare = find("vault_issuer_requests_total")
    labels = {**bare.labels, "reason": ("Issued", *dict.fromkeys((*denials, *failures)))}
    return replace(bare, labels=labels, children=len(zero), zero=zero)


def _put_off(reasons: ReasonLabels) -> MetricDescription:
    bare = find("vault_issuer_request_attempts_put_off_total")
    return replace(bare, labels={"reason": (*sorted(reasons.retries), OTHER)})


def _differences(reasons: ReasonLabels) -> MetricDescription:
    bare = find("vault_issuer_certificate_differences_total")
    codes = tuple(sorted(reasons.differences)) or (OTHER,)
    return replace(bare, labels={**bare.labels, "code": codes})


def most_series(issuers: int, policies: int, reasons: ReasonLabels) -> int:
    """Return the number of series of one process at most, whatever is asked of it."""
    return PROCESS_SERIES + sum(one.most(issuers, policies) for one in with_reasons(reasons))


_BY_NAME: Final = {one.name: one for one in CATALOGUE}
