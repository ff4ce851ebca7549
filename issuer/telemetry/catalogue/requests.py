"""Metrics of requests, of the calls that sign them, of issuers and of certificates."""

from __future__ import annotations

from typing import Final

from issuer.telemetry.catalogue.described import (
    ANSWER_BUCKETS,
    CALL_BUCKETS,
    CERTIFICATES,
    ISSUER,
    ISSUERS,
    LIFE_BUCKETS,
    REQUESTS,
    VAULT,
    MetricDescription,
)
from issuer.telemetry.catalogue.label_values import OTHER, YES_NO

REQUEST_METRICS: Final = (
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
)
