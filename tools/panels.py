"""What the Grafana dashboard shows, row by row; tools/dashboard.py makes it JSON."""

from __future__ import annotations

from dataclasses import dataclass

# Where a monitor doesn't honour the label namespace, Prometheus calls the issuer's exported_namespace.
ISSUER = "kind, namespace, exported_namespace, name"
NAMED = "{{kind}} {{namespace}} {{name}}"
OURS = 'job=~"$job"'
MACHINES = 'instance=~"$machine"'
ONE = f'{OURS}, name=~"$issuer"'
DAY = 86400

Steps = tuple[tuple[float | None, str], ...]
"""Colours, each from a value on; the first has no value."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its queries by legend, the value's unit as Grafana calls it, and its width of 24."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    steps: Steps = ((None, "green"),)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's title and its panels."""

    title: str
    panels: tuple[Panel, ...]


def rate(metric: str, by: str, labels: str = OURS) -> str:
    """The rate of a counter, summed over the replicas."""
    return f"sum by ({by}) (rate(vault_issuer_{metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, metric: str, *by: str) -> str:
    """A share of a histogram's observations stays below this."""
    rates = f"rate(vault_issuer_{metric}_bucket{{{OURS}}}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({', '.join(('le', *by))}) ({rates}))"


def newest(metric: str, by: str = ISSUER) -> str:
    """A gauge of issuers: the largest of the replicas'."""
    return f"max by ({by}) (vault_issuer_{metric}{{{ONE}}})"


def until(metric: str) -> str:
    """Seconds until the time that a gauge tells."""
    return f"min by ({ISSUER}) (vault_issuer_{metric}{{{ONE}}}) - time()"


def since(metric: str) -> str:
    """Seconds since the time that a gauge tells; never is nothing."""
    return f"time() - (max by ({ISSUER}) (vault_issuer_{metric}{{{ONE}}}) > 0)"


def machine(metric: str) -> str:
    """A metric of agents on machines, of which each Prometheus job has its own."""
    return f"vault_issuer_agent_{metric}{{{MACHINES}}}"


def stat(title: str, query: str, unit: str = "short", steps: Steps = ((None, "green"),)) -> Panel:
    """A single number."""
    return Panel(title, {"": query}, unit, "stat", 4, steps)


def line(title: str, unit: str, query: str, legend: str = NAMED, about: str = "") -> Panel:
    """Lines over time by one query."""
    return Panel(title, {legend: query}, unit, about=about)


def both(metric: str, *by: str) -> dict[str, str]:
    """Median and 99th percentile of a histogram."""
    tail = "".join(f", {{{{{one}}}}}" for one in by)
    return {f"half{tail}": quantile(0.5, metric, *by), f"99 of 100{tail}": quantile(0.99, metric, *by)}


def states(title: str, query: str, legend: str, zero: str, one: str) -> Panel:
    """Strips of 0 and 1 over time."""
    return Panel(title, {legend: query}, kind="state-timeline", steps=((None, zero), (1, one)))


BAD: Steps = ((None, "green"), (1, "red"))
SOON_THERE: Steps = ((None, "red"), (3600, "orange"), (DAY, "green"))
LEFT_STEPS: Steps = ((None, "red"), (0.1, "orange"), (0.2, "green"))
SOON: Steps = ((None, "red"), (7 * DAY, "orange"), (30 * DAY, "green"))
READY = f"min by ({ISSUER}) (vault_issuer_issuer_ready{{{ONE}}})"
HOUR = f'sum(increase(vault_issuer_requests_total{{{OURS}, outcome="issued"}}[1h]))'
UNISSUED = f'{OURS}, outcome!="issued"'
BY_REASON, BY_STAGE, BY_RESULT = (f"{NAMED}: {{{{{one}}}}}" for one in ("reason", "stage", "result"))

GLANCE = (
    stat("Issuers not Ready", f"sum({READY} == bool 0)", steps=BAD),
    stat("Longest silence of a canary", f"max({since('canary_last_success_timestamp_seconds')})", "s"),
    stat("A CA ends in", f"min({until('ca_not_after_timestamp_seconds')})", "s", SOON),
    stat("Certificates past renewal", f"sum({newest('certificates_past_renewal')})", steps=BAD),
    stat("Requests open", f"max(vault_issuer_requests_open{{{OURS}}})"),
    stat("Issued in the last hour", HOUR),
)
REQUESTS = (
    line("Answers by outcome", "reqps", rate("requests_total", "outcome"), "{{outcome}}"),
    Panel("From creation to certificate", both("request_answer_seconds"), "s"),
    line(
        "Failed and denied by reason",
        "reqps",
        rate("requests_total", "outcome, reason", UNISSUED),
        "{{outcome}}: {{reason}}",
    ),
    line(
        "Decisions by policy",
        "ops",
        rate("policy_decisions_total", "verdict, policy"),
        "{{verdict}} {{policy}}",
    ),
    line("Attempts put off", "ops", rate("request_attempts_put_off_total", "reason"), "{{reason}}"),
    line(
        "Certificates not delivered",
        "ops",
        rate("certificates_discarded_total", "cause, revoked"),
        "{{cause}}, revoked: {{revoked}}",
    ),
)
VAULT = (
    line("Signing calls", "ops", rate("sign_seconds_count", "result"), "{{result}}"),
    Panel("Time of a signing call", both("sign_seconds", "result"), "s"),
    line("Logins", "ops", rate("login_seconds_count", "result"), "{{result}}"),
    Panel("Time of a login", both("login_seconds", "result"), "s"),
    line("Token ends in", "s", until("token_expiry_timestamp_seconds")),
    line(
        "Held back",
        "percentunit",
        rate("throttled_seconds_total", f"{ISSUER}, reason", ONE),
        BY_REASON,
        about="Share of the time in which requests of the issuer waited because of this.",
    ),
)
ISSUERS = (
    states("Ready", READY, NAMED, "red", "green"),
    Panel("CA ends in", {NAMED: until("ca_not_after_timestamp_seconds")}, "s", "bargauge", steps=SOON),
    line(
        "Differences from what was asked",
        "ops",
        rate("certificate_differences_total", "code, fatal"),
        "{{code}}, fatal: {{fatal}}",
    ),
)
CERTIFICATES = (
    line("Certificates", "short", newest("certificates")),
    Panel(
        "Not Ready, and past their renewal time",
        {
            f"not Ready: {NAMED}": newest("certificates_not_ready"),
            f"past renewal: {NAMED}": newest("certificates_past_renewal"),
        },
    ),
    line("The next one ends in", "s", until("certificates_next_expiry_timestamp_seconds")),
    Panel("Life of issued certificates", both("certificate_lifetime_seconds"), "s"),
    line("Revocations", "ops", rate("revocations_total", "result"), "{{result}}"),
)
CANARY = (
    line("Silence", "s", since("canary_last_success_timestamp_seconds")),
    states("Broken stage", newest("canary_failing", f"{ISSUER}, stage"), BY_STAGE, "green", "red"),
    line("Time of a run", "s", newest("canary_last_duration_seconds")),
    line("Runs", "ops", rate("canary_runs_total", f"{ISSUER}, result", ONE), BY_RESULT),
    line("Its certificate ends in", "s", until("canary_not_after_timestamp_seconds")),
)
CONTROLLER = (
    Panel(
        "Queue",
        {
            "waiting": f"sum(vault_issuer_queue_depth{{{OURS}}})",
            "held back": f"sum(vault_issuer_queue_held_back{{{OURS}}})",
            "in hand": f"sum(vault_issuer_requests_in_flight{{{OURS}}})",
            "signed, not written": f"sum(vault_issuer_certificates_held{{{OURS}}})",
        },
    ),
    line("The oldest has waited for", "s", f"max(vault_issuer_queue_oldest_seconds{{{OURS}}})", ""),
    states("Leader", f"vault_issuer_leader{{{OURS}}}", "{{instance}}", "gray", "green"),
    Panel(
        "Trouble",
        {
            "watch restarts": f"sum(vault_issuer_watch_restarts_total{{{OURS}}})",
            "events dropped": f"sum(vault_issuer_events_dropped_total{{{OURS}}})",
            "errors, {{queue}}": f"sum by (queue) (vault_issuer_worker_errors_total{{{OURS}}})",
        },
    ),
    line("CPU", "short", f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])", "{{instance}}"),
    line("Memory", "bytes", f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}"),
    line("Shards changing hands", "ops", rate("shard_handovers_total", "how"), "{{how}}"),
    line("Time to give a shard", "s", quantile(0.99, "shard_handover_seconds"), "99 of 100"),
    line("Version", "short", f"vault_issuer_build_info{{{OURS}}}", "{{version}}, Python {{python}}"),
)
KEPT, TOLD = "{{instance}} {{name}}", "{{instance}} {{consumer}}"
LEFT = f"{machine('certificate_not_after_timestamp_seconds')} - time()"
LIFE = " - ".join(machine(f"certificate_{end}_timestamp_seconds") for end in ("not_after", "not_before"))
# As the alert VaultIssuerAgentRenewalOverdue has it: half of the time for the renewal has gone.
OVERDUE = (
    f"time() > bool ({machine('certificate_renewal_timestamp_seconds')}"
    f" + {machine('certificate_not_after_timestamp_seconds')}) / 2"
)
AGENTS = (
    stat("Machines", f"count(count by (instance) ({machine('written_timestamp_seconds')}))"),
    stat("Renewals overdue", f"sum({OVERDUE})", steps=BAD),
    stat("Sets that failed", f"sum({machine('failures')} > bool 0)", steps=BAD),
    stat("Hooks that failed", f"sum({machine('hook_failures')} > bool 0)", steps=BAD),
    stat("The next one ends in", f"min({LEFT})", "s", SOON_THERE),
    stat("Longest silence of an agent", f"max(time() - {machine('written_timestamp_seconds')})", "s"),
)
LIVES = (
    Panel("Life left", {KEPT: f"({LEFT}) / ({LIFE})"}, "percentunit", "bargauge", steps=LEFT_STEPS),
    line("Renewal in", "s", f"{machine('certificate_renewal_timestamp_seconds')} - time()", KEPT),
    Panel(
        "Maintenance windows",
        {f"open, {KEPT}": machine("window_open"), f"waited for, {KEPT}": machine("window_waiting")},
    ),
    line("Since the last renewal", "s", f"time() - {machine('last_renewal_timestamp_seconds')}", KEPT),
    line("Since the last look", "s", f"time() - {machine('last_look_timestamp_seconds')}", KEPT),
    line("Clocks differ by", "s", f"max by (instance) ({machine('clock_skew_seconds')})", "{{instance}}"),
    Panel(
        "Hooks in an hour",
        {
            f"run, {TOLD}": f"increase({machine('hook_runs_total')}[1h])",
            f"failed, {TOLD}": f"increase({machine('hook_failed_runs_total')}[1h])",
        },
    ),
    line("Time of the last hook", "s", machine("hook_duration_seconds"), TOLD),
    line("Since the last good hook", "s", f"time() - {machine('hook_last_success_timestamp_seconds')}", TOLD),
    line("Sets still to be told of", "short", machine("hook_waiting"), TOLD),
)
ROWS = (
    Row("At a glance", GLANCE),
    Row("Requests", REQUESTS),
    Row("Vault", VAULT),
    Row("Issuers and CAs", ISSUERS),
    Row("Certificates and renewal", CERTIFICATES),
    Row("Canary", CANARY),
    Row("Controller", CONTROLLER),
    Row("Machines at a glance", AGENTS),
    Row("Machines without Kubernetes", LIVES),
)
