"""What two replicas' metrics look like when things break, and which alerts fire at which minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MINUTES = 1560
DAY, MINUTE = 86400, 60
SELDOM = 5 * MINUTE
"""Seconds between evaluations in cases of hours: each minute, a day takes promtool as long as all others."""
VAULT = 'kind="VaultClusterIssuer",name="vault"'
STAGES = ("api", "controller", "policy", "issuer", "chain", "endpoint")
CANARY = "vault_issuer_canary_last_success_timestamp_seconds"
REQUESTS = "vault_issuer_requests_total"

NAMES = {
    "VaultIssuerNotReady",
    "VaultIssuerCanaryStale",
    "VaultIssuerRequestFailures",
    "VaultIssuerCAExpiresIn90Days",
    "VaultIssuerCAExpiresIn30Days",
    "VaultIssuerCAExpiresIn7Days",
    "VaultIssuerCertificatePastRenewal",
    "VaultIssuerRenewalLoop",
    "VaultIssuerOutcomeUnknown",
    "VaultIssuerQueueStuck",
    "VaultIssuerDenialsSpike",
    "VaultIssuerRootsLeftOut",
    "VaultIssuerRootsNotDistributed",
    "VaultIssuerTwoLeaders",
    "VaultIssuerAbsent",
}


def always(value: float) -> str:
    """The same value all the time."""
    return f"{value:.0f}+0x{MINUTES}"


def growing(by: float) -> str:
    """A counter that grows by so much a minute."""
    return f"0+{by:g}x{MINUTES}"


def then(*parts: tuple[int, str]) -> str:
    """Values for so many minutes each: a number, `stale`, `_`, or `START+STEP`."""
    texts = []
    for minutes, value in parts:
        if value in ("stale", "_"):
            texts += [value] * minutes
        else:
            first, _, step = value.partition("+")
            texts.append(f"{first}+{step or 0}x{minutes - 1}")
    return " ".join(texts)


def one(metric: str, instance: str = "a", labels: str = VAULT) -> str:
    """A series of one replica."""
    more = f",{labels}" if labels else ""
    return f'{metric}{{job="vault-issuer",instance="{instance}"{more}}}'


def outcome(name: str, instance: str = "a") -> str:
    """The counter of an outcome."""
    return one(REQUESTS, instance, f'outcome="{name}",reason="{name.title()}"')


def failing(stage: str, instance: str = "a", labels: str = VAULT) -> str:
    """The canary's stage."""
    return one("vault_issuer_canary_failing", instance, f'{labels},stage="{stage}"')


def healthy() -> dict[str, str]:
    """A leader, a, with one issuer and its canary, and a standby, b."""
    found = {
        one("vault_issuer_issuer_ready"): always(1),
        one("vault_issuer_ca_not_after_timestamp_seconds"): always(1000 * DAY),
        one("vault_issuer_certificates_past_renewal"): always(0),
        one(CANARY): growing(MINUTE),
        **{failing(stage): always(0) for stage in STAGES},
    }
    for instance, leads in (("a", 1), ("b", 0)):
        found |= {
            one("vault_issuer_build_info", instance, ""): always(1),
            one("process_start_time_seconds", instance, ""): always(0),
            one("vault_issuer_leader", instance, ""): always(leads),
            one("vault_issuer_queue_oldest_seconds", instance, ""): always(0),
            one("vault_issuer_canary_period_seconds", instance, ""): always(300),
            outcome("issued", instance): growing(10 * leads),
            outcome("failed", instance): always(0),
            outcome("denied", instance): always(0),
        }
    return found


def handed_over(minute: int, dead: int = 2) -> dict[str, str]:
    """The leader ends at that minute, and c leads from `dead` minutes later with all its values anew."""
    found = {}
    for name, values in healthy().items():
        if 'instance="a"' not in name:
            continue
        start = values.partition("+")[0]
        step = values.partition("+")[2].partition("x")[0]
        found[name] = then((minute, f"{start}+{step}"), (MINUTES - minute, "stale"))
        new = name.replace('instance="a"', 'instance="c"')
        if CANARY in name:
            start = str((minute + dead) * MINUTE)
        elif "process_start" in name:
            start = str(minute * MINUTE)
        found[new] = then((minute + dead, "_"), (MINUTES - minute - dead, f"{start}+{step}"))
    return found


Firing = frozenset[str]


def fires(name: str, severity: str, labels: str = "") -> Firing:
    """An alert with its labels."""
    more = "".join(f",{one}" for one in labels.split(",") if one)
    return frozenset({f'{{alertname="{name}",severity="{severity}"{more}}}'})


NOTHING: Firing = frozenset()
NOT_READY = fires("VaultIssuerNotReady", "warning", VAULT)
STALE = {
    stage: fires("VaultIssuerCanaryStale", "critical", f'{VAULT},stage="{stage}"' if stage else VAULT)
    for stage in ("", *STAGES)
}
FAST = fires("VaultIssuerRequestFailures", "critical")
SLOW = fires("VaultIssuerRequestFailures", "warning")
PAST = fires("VaultIssuerCertificatePastRenewal", "warning", VAULT)
LOOP = fires("VaultIssuerRenewalLoop", "warning")
UNKNOWN = fires("VaultIssuerOutcomeUnknown", "info")
QUEUE = fires("VaultIssuerQueueStuck", "warning")
DENIALS = fires("VaultIssuerDenialsSpike", "warning")
ROOTS = fires("VaultIssuerRootsLeftOut", "warning")
TENANTS_ROOTS = fires("VaultIssuerRootsLeftOut", "info")
NO_ROOTS = fires("VaultIssuerRootsNotDistributed", "warning", VAULT)
LEADERS = fires("VaultIssuerTwoLeaders", "critical")
ABSENT = fires("VaultIssuerAbsent", "critical")
CA_90, CA_30, CA_7 = (
    fires(f"VaultIssuerCAExpiresIn{days}Days", severity, VAULT)
    for days, severity in ((90, "info"), (30, "warning"), (7, "critical"))
)
CA = one("vault_issuer_ca_not_after_timestamp_seconds")
RENEWED_CA = one("vault_issuer_ca_not_after_timestamp_seconds", "c")
READY = "vault_issuer_issuer_ready"
LEFT_OUT = "vault_issuer_trust_namespaces_left_out"
REFUSED = 'cause="refused"'
DISTRIBUTED = "vault_issuer_trust_distributed"
UNHONOURED = 'kind="VaultIssuer",name="web",namespace="vault-issuer-system",exported_namespace="team-a"'


@dataclass(frozen=True)
class Case:
    """What differs from all being well, and what fires at which minute.

    There is a value each `scrape` seconds, and the rules are evaluated each `evaluation` seconds.
    """

    name: str
    series: Mapping[str, str]
    expected: Mapping[float, Firing]
    missing: tuple[str, ...] = ()
    scrape: int = MINUTE
    evaluation: int = MINUTE


CASES = (
    Case("nothing is wrong", {}, {1: NOTHING, 100: NOTHING}),
    Case("nothing is wrong for a day", {}, {1500: NOTHING}, evaluation=SELDOM),
    Case("the leader changes", handed_over(30), {29: NOTHING, 31: NOTHING, 33: NOTHING, 45: NOTHING}),
    Case(
        "an issuer is not Ready for a while",
        {one(READY): then((10, "1"), (20, "0"), (30, "1"))},
        {14: NOTHING, 16: NOT_READY, 29: NOT_READY, 31: NOTHING},
    ),
    Case(
        "an issuer that is not Ready outlasts the leader",
        {
            **handed_over(20),
            one(READY): then((5, "1"), (15, "0"), (40, "stale")),
            one(READY, "c"): then((22, "_"), (30, "0")),
        },
        {11: NOT_READY, 20: NOT_READY, 21: NOT_READY, 23: NOT_READY, 40: NOT_READY},
    ),
    Case(
        "with shards one replica can't reach Vault",
        {one(READY, "b"): then((10, "1"), (30, "0"))},
        {14: NOTHING, 16: NOT_READY},
    ),
    Case(
        "the monitor doesn't honour the label namespace",
        {one(READY, "a", UNHONOURED): always(0)},
        {6: fires("VaultIssuerNotReady", "warning", UNHONOURED)},
    ),
    Case(
        "the canary's stage issuer breaks",
        {
            one(CANARY): then((11, "0+60"), (30, "600"), (20, str(41 * MINUTE))),
            failing("issuer"): then((15, "0"), (26, "1"), (20, "0")),
        },
        {22: NOTHING, 23: STALE["issuer"], 40: STALE["issuer"], 42: NOTHING},
    ),
    Case(
        "one run of the canary fails",
        {
            one(CANARY): then((1, "_"), (10, "0.1"), (20, "300.1"), (60, "900.2")),
            failing("issuer"): then((21, "0"), (10, "1"), (60, "0")),
        },
        {minute / 4: NOTHING for minute in range(40, 100)},
        scrape=30,
        evaluation=15,
    ),
    Case(
        "two runs of the canary fail",
        {
            one(CANARY): then((1, "_"), (10, "0.1"), (30, "300.1"), (60, "1200.3")),
            failing("issuer"): then((21, "0"), (20, "1"), (60, "0")),
        },
        {17.5: NOTHING, 17.75: STALE["issuer"], 20.25: STALE["issuer"], 20.75: NOTHING},
        scrape=30,
        evaluation=15,
    ),
    Case(
        "the stage that breaks changes",
        {
            one(CANARY): then((11, "0+60"), (60, "600")),
            failing("controller"): then((15, "0"), (15, "1"), (30, "0")),
            failing("api"): then((30, "0"), (30, "1")),
        },
        {25: STALE["controller"], 35: STALE["api"]},
    ),
    Case(
        "the canary fails on over a restart",
        {
            **handed_over(20),
            one(CANARY): then((5, "0+60"), (15, "240"), (60, "stale")),
            failing("policy"): then((6, "0"), (14, "1"), (60, "stale")),
            failing("policy", "c"): then((22, "_"), (3, "0"), (60, "1")),
        },
        {18: STALE["policy"], 21: STALE["policy"], 23: STALE["policy"], 40: STALE["policy"]},
        missing=(one(CANARY, "c"),),
    ),
    Case(
        "the canary never went through",
        {failing("policy"): always(1)},
        {12: NOTHING, 13: STALE["policy"]},
        missing=(one(CANARY),),
    ),
    Case(
        "a canary that just began has no success yet",
        {one("process_start_time_seconds", "a", ""): always(60 * MINUTE)},
        {61: NOTHING, 72: NOTHING},
        missing=(one(CANARY),),
    ),
    Case(
        "the canary isn't run any more",
        {one(CANARY): then((11, "0+60"), (60, "600"))},
        {22: NOTHING, 23: STALE[""]},
    ),
    Case(
        "the canary was switched off",
        {one(CANARY): then((11, "0+60"), (60, "stale"))},
        {23: NOTHING, 40: NOTHING},
        missing=tuple(failing(stage) for stage in STAGES),
    ),
    Case(
        "a fifth of the requests fails for an hour",
        {outcome("failed"): then((30, "0"), (60, "2+2.5"), (300, "152"))},
        {29: NOTHING, 40: SLOW, 85: FAST | SLOW, 100: SLOW, 200: NOTHING},
    ),
    Case(
        "one in twelve fails",
        {outcome("failed"): growing(0.9)},
        {120: SLOW, 400: SLOW},
        evaluation=SELDOM,
    ),
    Case(
        "two failures are too few to tell",
        {
            outcome("issued"): always(0),
            outcome("failed"): then((10, "0"), (400, "2")),
        },
        {11: NOTHING, 14: NOTHING, 60: NOTHING},
    ),
    Case("a CA of 1000 days", {CA: always(1000 * DAY)}, {10: NOTHING}),
    Case("a CA of 80 days", {CA: always(80 * DAY)}, {10: CA_90}),
    Case("a CA of 20 days", {CA: always(20 * DAY)}, {10: CA_30}),
    Case("a CA of 6 days", {CA: always(6 * DAY)}, {10: CA_7}),
    Case("a CA that has ended", {CA: always(5 * MINUTE)}, {3: CA_7, 10: CA_7}),
    Case(
        "a CA that was rotated",
        {
            **handed_over(20),
            CA: then((20, str(6 * DAY)), (40, "stale")),
            RENEWED_CA: then((22, "_"), (40, str(900 * DAY))),
        },
        {10: CA_7, 21: CA_7, 28: NOTHING},
    ),
    Case(
        "a Certificate is past its renewal time",
        {one("vault_issuer_certificates_past_renewal"): then((10, "0"), (30, "1"), (30, "0"))},
        {24: NOTHING, 26: PAST, 41: NOTHING},
    ),
    Case(
        "a Certificate is renewed again and again, with a certificate in between",
        {
            one("vault_issuer_renewal_loops", "a", ""): then(
                (10, "0"), (8, "1"), (1, "0"), (20, "1"), (60, "0")
            ),
        },
        {14: NOTHING, 16: LOOP, 19: LOOP, 40: LOOP, 46: NOTHING},
    ),
    Case(
        "an answer is lost, and one of another replica later",
        {
            one("vault_issuer_outcomes_unknown_total", "a", 'fault="lost"'): then((10, "0"), (200, "1")),
            one("vault_issuer_outcomes_unknown_total", "b", 'fault="unreadable"'): then(
                (40, "0"), (200, "1")
            ),
        },
        {9: NOTHING, 12: UNKNOWN, 60: UNKNOWN, 95: UNKNOWN, 120: NOTHING},
    ),
    Case(
        "a namespace lacks its roots, over a change of leader",
        {
            one(LEFT_OUT, "a", REFUSED): then((10, "0"), (10, "1"), (100, "stale")),
            one(LEFT_OUT, "b", REFUSED): then((22, "0"), (20, "1"), (60, "0")),
        },
        {24: NOTHING, 26: ROOTS, 43: ROOTS, 50: NOTHING},
    ),
    Case(
        "people of a namespace keep the roots out of it",
        {
            one(LEFT_OUT, "a", REFUSED): always(0),
            one(LEFT_OUT, "a", 'cause="not_ours"'): then((10, "0"), (30, "1"), (60, "0")),
        },
        {24: NOTHING, 26: TENANTS_ROOTS, 43: TENANTS_ROOTS, 50: NOTHING},
    ),
    Case(
        "an issuer's roots don't go out, over a change of leader",
        {
            one(DISTRIBUTED): then((10, "1"), (10, "0"), (100, "stale")),
            one(DISTRIBUTED, "b"): then((22, "_"), (20, "0"), (60, "1")),
        },
        {24: NOTHING, 26: NO_ROOTS, 41: NO_ROOTS, 43: NOTHING},
    ),
    Case(
        "the queue stands still",
        {one("vault_issuer_queue_oldest_seconds", "a", ""): then((10, "0"), (20, "0+60"), (30, "0"))},
        {15: NOTHING, 16: QUEUE, 29: QUEUE, 31: NOTHING},
    ),
    Case(
        "twenty denials where there were none",
        {outcome("denied"): then((1490, "0"), (70, "20"))},
        {1489: NOTHING, 1491: DENIALS, 1510: NOTHING},
        evaluation=SELDOM,
    ),
    Case("as many denials as ever", {outcome("denied"): growing(2)}, {1500: NOTHING}, evaluation=SELDOM),
    Case(
        "a second installation leads, too",
        {one("vault_issuer_leader", "c", ""): then((10, "0"), (30, "1"), (20, "stale"))},
        {19: NOTHING, 21: LEADERS, 39: LEADERS, 42: NOTHING},
    ),
    Case(
        "two clusters have a leader each",
        {one("vault_issuer_leader", "c", 'cluster="other"'): always(1)},
        {30: NOTHING},
    ),
    Case(
        "nobody leads",
        {one("vault_issuer_leader", "a", ""): then((10, "1"), (20, "0"), (20, "1"))},
        {14: NOTHING, 16: ABSENT, 31: NOTHING},
    ),
    Case(
        "no controller is there",
        {name: then((10, values.partition("x")[0]), (50, "stale")) for name, values in healthy().items()},
        {14: NOTHING, 16: ABSENT, 50: ABSENT},
    ),
)
