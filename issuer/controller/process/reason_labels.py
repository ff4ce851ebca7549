"""Values of metric labels: reasons of requests, the controller and its backends, and differences' codes."""

from __future__ import annotations

from collections.abc import Iterable

from issuer.controller.state.reasons import CONTROLLER_REASONS, ControllerDenial
from issuer.requests.reasons import RequestFailure, RequestRetry
from issuer.signing.reasons import SIGNING_REASONS, Reasons
from issuer.telemetry.catalogue.label_values import ReasonLabels
from issuer.x509.verification.findings import FindingCode


def reason_labels(backends: Iterable[Reasons]) -> ReasonLabels:
    """Return what the metrics of a controller with these backends may say."""
    layers = (Reasons.of(RequestFailure, RequestRetry), SIGNING_REASONS, CONTROLLER_REASONS, *backends)
    return ReasonLabels(
        denials=frozenset(reason.value for reason in ControllerDenial),
        failures=frozenset(reason for layer in layers for reason in layer.failures),
        retries=frozenset(reason for layer in layers for reason in layer.retries),
        differences=frozenset(code.value for code in FindingCode),
    )
