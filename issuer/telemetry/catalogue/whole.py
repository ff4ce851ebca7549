"""Every metric of the controller: name, type, labels, meaning, and how many series it makes.

docs/metrics.md is made from this, and `Metrics` and `CanaryMetrics` make nothing that isn't here. A label's
values are either the code's, and listed here, or they name an issuer or a policy: the number of series grows
with those alone. Requests, certificates, requesters and the namespaces of either are never labels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from issuer.telemetry.catalogue.described import (
    ANSWER_BUCKETS,
    CALL_BUCKETS,
    CANARY,
    CERTIFICATES,
    CONTROLLER,
    ISSUER,
    ISSUERS,
    LIFE_BUCKETS,
    QUEUE,
    REPLICAS,
    REQUESTS,
    VAULT,
    MetricDescription,
)
from issuer.telemetry.catalogue.label_values import OTHER, STAGES, WATCHED, YES_NO, ReasonLabels

CATALOGUE: Final = (
    MetricDescription(
        "vault_issuer_requests_total",
        "counter",
        "Requests answered, by outcome and reason.",
        REQUESTS,
        {"outcome": ("issued", "denied", "failed"), "reason": ("Issued", OTHER)},
    ),
    MetricDescription(
        "vault_issuer_request_answer_seconds",
        "histogram",
        "Seconds from a request's creation (which Kubernetes stamps in whole seconds) to its certificate.",
        REQUESTS,
        buckets=ANSWER_BUCKETS,
    ),
    MetricDescription(
        "vault_issuer_request_attempts_put_off_total",
        "counter",
        "Attempts that ended without an answer, by reason; the request stays pending.",
        REQUESTS,
        {"reason": (OTHER,)},
    ),
    MetricDescription("vault_issuer_requests_open", "gauge", "Requests without an answer.", REQUESTS),
    MetricDescription(
        "vault_issuer_requests_open_bytes",
        "gauge",
        "Bytes that are kept of requests without an answer; at most 128 MiB of each kind.",
        REQUESTS,
    ),
    MetricDescription(
        "vault_issuer_requests_open_unkept",
        "gauge",
        "Requests without an answer that are too large to be kept, or over their namespace's part: each "
        "attempt reads them again.",
        REQUESTS,
    ),
    MetricDescription(
        "vault_issuer_requests_in_flight", "gauge", "Requests a worker is busy with.", REQUESTS
    ),
    MetricDescription(
        "vault_issuer_policy_decisions_total",
        "counter",
        "Decisions by verdict and policy: the one that approved, or each that refused, so that a denial "
        "counts once for each of them (empty for Unprocessed, and for a policy that was deleted meanwhile).",
        REQUESTS,
        {"verdict": ("Approved", "Denied", "Unprocessed"), "policy": ()},
        per="policy",
        beside=3,
        children=2,
        zero=(("Denied", ""), ("Unprocessed", "")),
    ),
    MetricDescription(
        "vault_issuer_sign_seconds",
        "histogram",
        "Seconds of one signing call, with a login where it needed one, by result.",
        VAULT,
        {"result": ("signed", "failed", "retry", "issuer_broken", "bad_answer", "not_sent", "error")},
        buckets=CALL_BUCKETS,
    ),
    MetricDescription(
        "vault_issuer_login_seconds",
        "histogram",
        "Seconds of one login to Vault, by result: refused is a No of Vault's, error anything else.",
        VAULT,
        {"result": ("success", "refused", "error")},
        buckets=CALL_BUCKETS,
    ),
    MetricDescription(
        "vault_issuer_token_expiry_timestamp_seconds",
        "gauge",
        "When the issuer's Vault token expires if it is not renewed, in seconds since the epoch; absent "
        "without a token, and for one that never expires.",
        VAULT,
        ISSUER,
        per="issuer",
    ),
    MetricDescription(
        "vault_issuer_throttled_seconds_total",
        "counter",
        "Seconds in which an issuer's requests waited, by reason: rate and concurrent are its limits, "
        "vault is a 429 of Vault's, silent is no answer to the calls under way, held is signed "
        "certificates that can't be written.",
        VAULT,
        {**ISSUER, "reason": ("rate", "concurrent", "vault", "silent", "held")},
        per="issuer",
    ),
    MetricDescription(
        "vault_issuer_issuer_ready",
        "gauge",
        "1 while the issuer is Ready, 0 while it is not.",
        ISSUERS,
        ISSUER,
        per="issuer",
    ),
    MetricDescription(
        "vault_issuer_ca_not_after_timestamp_seconds",
        "gauge",
        "When the first certificate expires of the CA chains that the issuer signs with, in seconds since "
        "the epoch.",
        ISSUERS,
        ISSUER,
        per="issuer",
    ),
    MetricDescription(
        "vault_issuer_certificate_lifetime_seconds",
        "histogram",
        "Seconds from now to notAfter of each certificate when it is delivered.",
        CERTIFICATES,
        buckets=LIFE_BUCKETS,
    ),
    MetricDescription(
        "vault_issuer_certificates",
        "gauge",
        "Certificates of cert-manager by the issuer they name; those that name none that is there have empty "
        "labels.",
        CERTIFICATES,
        ISSUER,
        per="issuer",
        beside=1,
        when="--watch-certificates",
    ),
    MetricDescription(
        "vault_issuer_certificates_not_ready",
        "gauge",
        "Of these, how many are not Ready.",
        CERTIFICATES,
        ISSUER,
        per="issuer",
        beside=1,
        when="--watch-certificates",
    ),
    MetricDescription(
        "vault_issuer_certificates_past_renewal",
        "gauge",
        "Of these, how many have a renewal time that is past.",
        CERTIFICATES,
        ISSUER,
        per="issuer",
        beside=1,
        when="--watch-certificates",
    ),
    MetricDescription(
        "vault_issuer_certificates_next_expiry_timestamp_seconds",
        "gauge",
        "When the first of these expires, in seconds since the epoch; past where one has expired.",
        CERTIFICATES,
        ISSUER,
        per="issuer",
        beside=1,
        when="--watch-certificates",
    ),
    MetricDescription(
        "vault_issuer_renewal_loops",
        "gauge",
        "Requests that wait since their Certificate was renewed again and again (RenewalLoop).",
        CERTIFICATES,
    ),
    MetricDescription(
        "vault_issuer_certificates_held",
        "gauge",
        "Certificates signed but not yet written to their request.",
        CERTIFICATES,
    ),
    MetricDescription(
        "vault_issuer_certificates_discarded_total",
        "counter",
        "Signed certificates that were not delivered, by cause and whether they were revoked.",
        CERTIFICATES,
        {
            "cause": (
                "deleted",
                "denied",
                "answered",
                "unverified",
                "bad_answer",
                "refused",
                "stopped",
                "too_large",
            ),
            "revoked": YES_NO,
        },
    ),
    MetricDescription(
        "vault_issuer_outcomes_unknown_total",
        "counter",
        "Signing calls that may have made a certificate that nobody has, by what was wrong with the answer; "
        "the log has the public key of each.",
        CERTIFICATES,
        {"fault": ("lost", "unreadable", "another_key", "interrupted")},
    ),
    MetricDescription(
        "vault_issuer_certificate_differences_total",
        "counter",
        "Differences between a signed certificate and its request, by kind and whether they were fatal.",
        CERTIFICATES,
        {"code": (OTHER,), "fatal": YES_NO},
    ),
    MetricDescription(
        "vault_issuer_revocations_total",
        "counter",
        "What became of certificates of deleted or replaced requests, where the issuer's spec.revocation "
        "asks for it.",
        CERTIFICATES,
        {"result": ("revoked", "in_use", "not_replaced", "expired", "abandoned")},
    ),
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
        "vault_issuer_worker_errors_total",
        "counter",
        "Unexpected exceptions caught by a worker; what met one is tried again, and says InternalError.",
        CONTROLLER,
        {"queue": ("requests", "issuers", "policies", "revocations", "canaries")},
    ),
    MetricDescription(
        "vault_issuer_build_info",
        "info",
        "Always 1; its labels are the versions of vault-issuer and Python.",
        CONTROLLER,
        {"version": (), "python": ()},
    ),
)

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
