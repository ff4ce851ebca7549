"""Metrics of a controller's own work: queues, replicas, the canary, watches and the process."""

from __future__ import annotations

from typing import Final

from issuer.telemetry.catalogue.described import (
    CALL_BUCKETS,
    CANARY,
    CONTROLLER,
    ISSUER,
    QUEUE,
    REPLICAS,
    MetricDescription,
)
from issuer.telemetry.catalogue.label_values import LEFT_OUT_CAUSES, STAGES, WATCHED

PROCESS_METRICS: Final = (
    MetricDescription("vault_issuer_queue_depth", "gauge", "Requests waiting for a worker.", QUEUE),
    MetricDescription(
        "vault_issuer_queue_oldest_seconds",
        "gauge",
        "Seconds the oldest request has waited for a worker.",
        QUEUE,
    ),
    MetricDescription(
        "vault_issuer_queue_held_back",
        "gauge",
        "Requests of the queue that wait because of their issuer's limits, or because it doesn't answer.",
        QUEUE,
    ),
    MetricDescription(
        "vault_issuer_leader",
        "gauge",
        "1 while this process does what is done once: all work, or with --shards what can't be shared.",
        REPLICAS,
    ),
    MetricDescription(
        "vault_issuer_shards",
        "gauge",
        "Shards the work is divided into.",
        REPLICAS,
        when="--shards",
    ),
    MetricDescription(
        "vault_issuer_shards_owned",
        "gauge",
        "Shards this process works on.",
        REPLICAS,
        when="--shards",
    ),
    MetricDescription(
        "vault_issuer_shard_members",
        "gauge",
        "Live replicas that share the work, as this process sees them.",
        REPLICAS,
        when="--shards",
    ),
    MetricDescription(
        "vault_issuer_shard_handovers_total",
        "counter",
        "Shards that came or went: taken (they were free), taken_over (their owner died), given, lost.",
        REPLICAS,
        {"how": ("taken", "taken_over", "given", "lost")},
    ),
    MetricDescription(
        "vault_issuer_shard_handover_seconds",
        "histogram",
        "Seconds from the wish to give a shard to the end of what was in flight.",
        REPLICAS,
        buckets=CALL_BUCKETS,
    ),
    MetricDescription(
        "vault_issuer_canary_last_success_timestamp_seconds",
        "gauge",
        "When the issuer's canary last went through all stages, in seconds since the epoch; 0 until it "
        "has in this process.",
        CANARY,
        ISSUER,
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_last_run_timestamp_seconds",
        "gauge",
        "When the issuer's canary last ended a run, however it went, in seconds since the epoch.",
        CANARY,
        ISSUER,
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_last_duration_seconds",
        "gauge",
        "Seconds that the last run of the issuer's canary took.",
        CANARY,
        ISSUER,
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_not_after_timestamp_seconds",
        "gauge",
        "When the certificate expires that the canary's endpoint serves (without an endpoint: that of its "
        "last good request), in seconds since the epoch.",
        CANARY,
        ISSUER,
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_failing",
        "gauge",
        "1 for the stage that broke the last run of the issuer's canary, 0 for the others.",
        CANARY,
        {**ISSUER, "stage": STAGES},
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_runs_total",
        "counter",
        "Runs of the issuer's canary, by result.",
        CANARY,
        {**ISSUER, "result": ("success", "failure")},
        per="issuer",
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_canary_period_seconds",
        "gauge",
        "Seconds between two runs of an issuer's canary.",
        CANARY,
        when="--canary",
    ),
    MetricDescription(
        "vault_issuer_watch_restarts_total",
        "counter",
        "Lists and watches that ended with an error and began again, by what is watched.",
        CONTROLLER,
        {"resource": WATCHED},
    ),
    MetricDescription(
        "vault_issuer_events_dropped_total",
        "counter",
        "Kubernetes events that were over the budget or could not be written.",
        CONTROLLER,
    ),
    MetricDescription(
        "vault_issuer_trust_namespaces_left_out",
        "gauge",
        "Namespaces that spec.trust selects and whose ConfigMap of roots is not as it should be, by cause: "
        "not_ours is a ConfigMap that somebody else made, changed one that somebody changes again and again, "
        "quota a quota that is used up, refused any other refusal of the API server.",
        CONTROLLER,
        {"cause": LEFT_OUT_CAUSES},
    ),
    MetricDescription(
        "vault_issuer_trust_distributed",
        "gauge",
        "1 while the roots of an issuer with spec.trust go out, 0 while none can, as its condition "
        "TrustDistributed says. Single namespaces that lack them count elsewhere.",
        CONTROLLER,
        ISSUER,
        per="issuer",
    ),
    MetricDescription(
        "vault_issuer_worker_errors_total",
        "counter",
        "Unexpected exceptions caught by a worker; what met one is tried again, and says InternalError.",
        CONTROLLER,
        {"queue": ("requests", "issuers", "policies", "revocations", "canaries", "trust")},
    ),
    MetricDescription(
        "vault_issuer_build_info",
        "info",
        "Always 1; its labels are the versions of vault-issuer and Python.",
        CONTROLLER,
        {"version": (), "python": ()},
    ),
)
