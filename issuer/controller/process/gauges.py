"""Gauges that read from the controller whenever Prometheus asks: nothing is counted here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from issuer.controller.state.watched import certificates
from issuer.controller.trust.reasons import LeftOutCause
from issuer.signing.signer import KeepsLogin
from issuer.telemetry.issuer_series import Issuer, Row

if TYPE_CHECKING:
    from issuer.controller.process.wiring import Components


def expose(components: Components) -> None:
    """Have the metrics read the gauges from `components` whenever Prometheus asks."""
    watch, table = components.metrics.watch, components.metrics.watch_table
    watch("vault_issuer_queue_depth", lambda: float(components.queues.requests.depth))
    watch("vault_issuer_queue_oldest_seconds", lambda: components.queues.requests.oldest_age)
    watch("vault_issuer_queue_held_back", lambda: float(components.queues.fair.held_back))
    watch("vault_issuer_requests_in_flight", lambda: float(components.queues.requests.in_hand))
    watch(
        "vault_issuer_requests_open",
        lambda: float(sum(len(store) for store in components.state.requests.values())),
    )
    watch(
        "vault_issuer_requests_open_bytes",
        lambda: float(sum(each.size for each in components.state.requests.values())),
    )
    watch(
        "vault_issuer_requests_open_unkept",
        lambda: float(sum(one.without_text for one in components.state.requests.values())),
    )
    watch("vault_issuer_events_dropped_total", lambda: float(components.recorder.dropped))
    watch("vault_issuer_renewal_loops", lambda: float(components.state.renewals.waiting))
    watch("vault_issuer_certificates_held", lambda: float(len(components.delivery.held)))
    table(
        ("vault_issuer_watch_restarts_total",),
        lambda: [((kind,), (float(one.restarts),)) for kind, one in components.watches.reflectors.items()],
    )
    table(("vault_issuer_trust_namespaces_left_out",), lambda: _left_out(components))
    table(("vault_issuer_trust_distributed",), lambda: _distributed(components))
    table(("vault_issuer_token_expiry_timestamp_seconds",), lambda: _token_ends(components))
    if components.options.watch.certificates:
        table(certificates.TOTALS, lambda: _certificate_totals(components))


def _left_out(components: Components) -> list[Row]:
    counts = components.trust.left_out
    return [((cause,), (float(counts[cause]),)) for cause in LeftOutCause]


def _distributed(components: Components) -> list[Row]:
    return [(key, (float(is_out),)) for key, is_out in components.trust.distributed.items()]


def _token_ends(components: Components) -> list[Row]:
    found: list[tuple[Issuer, tuple[float | None]]] = []
    for key in components.state.known_issuers():
        entry = components.state.registry.find(key)
        shared = None if entry is None else entry.shared
        if shared is not None and isinstance(shared.signer, KeepsLogin):
            left = shared.signer.login_ends_in()
            found.append((key, (None if left is None else float(round(time.time() + left)),)))
    return components.metrics.issuers.folded(found, (min,))


def _certificate_totals(components: Components) -> list[Row]:
    """Return the rows; none while Certificates may not be watched: zeros would say that all is well."""
    if not components.watches.reflectors[certificates.KIND].current:
        return []
    totals = components.state.certificates.totals(components.state.known_issuers(), time.time())
    return components.metrics.issuers.folded(totals, certificates.FOLDS)
