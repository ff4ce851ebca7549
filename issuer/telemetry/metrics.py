"""The controller's Prometheus metrics, with labels bounded by what the operator wrote.

Names follow https://prometheus.io/docs/practices/naming/. The only labels that
grow with the cluster are those of issuers; requests never become labels.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from issuer import __version__

# Seconds from a request's creation to its answer: 10 ms to an hour, since an outage counts too.
_ANSWER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ISSUER = ("kind", "namespace", "name")


class Metrics:
    """Every metric of one controller, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        info = Info("vault_issuer_build", "Version of vault-issuer and Python.", registry=self.registry)
        info.info({"version": __version__, "python": platform.python_version()})
        self.answers = Counter(
            "vault_issuer_requests",
            "Requests answered, by outcome (issued, failed, denied) and reason.",
            ("outcome", "reason"),
            registry=self.registry,
        )
        self.attempts_put_off = Counter(
            "vault_issuer_request_attempts_put_off",
            "Attempts that ended without an answer, by reason; the request stays pending.",
            ("reason",),
            registry=self.registry,
        )
        self.answer_seconds = Histogram(
            "vault_issuer_request_answer_seconds",
            "Seconds from a request's creation to its certificate.",
            buckets=_ANSWER_BUCKETS,
            registry=self.registry,
        )
        self.decisions = Counter(
            "vault_issuer_policy_decisions",
            "Decisions by verdict (Approved, Denied, Unprocessed) and the policy that approved.",
            ("verdict", "policy"),
            registry=self.registry,
        )
        self.sign_seconds = Histogram(
            "vault_issuer_sign_seconds",
            "Seconds of one signing call to the CA, by result.",
            ("result",),
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )
        self.discarded = Counter(
            "vault_issuer_certificates_discarded",
            "Signed certificates that were not delivered, by cause and whether they were revoked.",
            ("cause", "revoked"),
            registry=self.registry,
        )
        self.differences = Counter(
            "vault_issuer_certificate_differences",
            "Differences between a signed certificate and its request, by kind and whether they were fatal.",
            ("code", "fatal"),
            registry=self.registry,
        )
        self.revocations = Counter(
            "vault_issuer_revocations",
            "What became of certificates of deleted or replaced requests (revoked, in_use, not_replaced, "
            "expired, abandoned), where the issuer's spec.revocation asks for it.",
            ("result",),
            registry=self.registry,
        )
        self.issuer_ready = Gauge(
            "vault_issuer_issuer_ready",
            "1 while the issuer is Ready, 0 while it is not.",
            _ISSUER,
            registry=self.registry,
        )
        self.ca_not_after = Gauge(
            "vault_issuer_ca_not_after_timestamp_seconds",
            "When the first certificate of the issuer's CA chain ends, in seconds since the epoch.",
            _ISSUER,
            registry=self.registry,
        )
        self.throttled = Counter(
            "vault_issuer_throttled_seconds",
            "Seconds in which an issuer's requests waited, by reason: rate and concurrent are its limits, "
            "vault is a 429 of Vault's, silent is no answer to the calls under way.",
            (*_ISSUER, "reason"),
            registry=self.registry,
        )
        self.leader = Gauge(
            "vault_issuer_leader",
            "1 while this process does what is done once: all work, or with --shards what can't be shared.",
            registry=self.registry,
        )
        self.shard_handovers = Counter(
            "vault_issuer_shard_handovers",
            "Shards that came or went: taken (they were free), taken_over (their owner died), given, lost.",
            ("how",),
            registry=self.registry,
        )
        self.shard_handover_seconds = Histogram(
            "vault_issuer_shard_handover_seconds",
            "Seconds from the wish to give a shard to the end of what was in flight.",
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )
        self.worker_errors = Counter(
            "vault_issuer_worker_errors",
            "Unexpected exceptions caught by a worker; the key is tried again.",
            ("queue",),
            registry=self.registry,
        )

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Register a gauge whose value is read when Prometheus asks."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def forget_issuer(self, kind: str, namespace: str, name: str) -> None:
        """Drop the series of an issuer that is gone."""
        for gauge in (self.issuer_ready, self.ca_not_after):
            try:
                gauge.remove(kind, namespace, name)
            except KeyError:
                continue  # it never had this series
        self.throttled.remove_by_labels({"kind": kind, "namespace": namespace, "name": name})
