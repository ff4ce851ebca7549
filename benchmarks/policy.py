"""Deciding one request: how long it takes against 50 policies, and how it grows to 1,000.

    python -m benchmarks.policy [--record]

Every policy selects the request, allows eight fields and has two rules in CEL, and only the last by name
approves: so all are evaluated, which is the worst case. `few` is the usual one, where all but two are for
other issuers. Prints microseconds a decision, and the longest step of the worst inputs; `--record` adds the
decisions, with the machine, to `benchmarks/results/policy.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.machine import machine
from issuer.policy.compiled import CompiledPolicy, compile_policy
from issuer.policy.decision import PolicyVerdict, evaluate
from issuer.policy.evaluation import Shared, violation_steps
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.x509.names import MAX_NAMES
from issuer.x509.request import read_request
from tests.builders import csr_pem

RESULTS = Path(__file__).with_name("results") / "policy.json"
ISSUER = IssuerReference("demo", "VaultClusterIssuer", "vault-issuer.io")
USAGES = ("digital signature", "key encipherment", "server auth")
LABELS = {"kubernetes.io/metadata.name": "team-a", "team": "a"}
T = TypeVar("T")
_END = object()
COUNTS = (1, 10, 50, 100, 300, 1_000)


@dataclass(frozen=True, slots=True)
class Timing:
    """One measured size: microseconds, the median and the slowest of ten runs' averages."""

    policies: int
    selected: int
    decision_us: float
    slowest_us: float
    compile_us_per_policy: float

    def __str__(self) -> str:
        return (
            f"{self.policies:5} policies, {self.selected:5} selected: {self.decision_us:9.1f} us a decision "
            f"(slowest {self.slowest_us:.1f}), {self.compile_us_per_policy:.0f} us to compile one"
        )


def spec(number: int, *, approves: bool, issuer: str) -> dict[str, Any]:
    """A policy as teams write them. The rules differ in text, so that each is a program of its own."""
    domain = "lab.test" if approves else f"other-{number}.test"
    return {
        "allowed": {
            "commonName": {"value": f"*.{domain}"},
            "dnsNames": {
                "values": [f"*.{domain}", "*.svc", "*.svc.cluster.local"],
                "validations": [
                    {"rule": f"self.size() < {100 + number} && !self.startsWith('admin.')"},
                    {"rule": f"self.contains(cr.namespace) || self != 'x{number}.test'"},
                ],
            },
            "ipAddresses": {"values": ["10.*", "192.168.*"]},
            "uris": {"values": ["spiffe://lab.test/*"]},
            "usages": list(USAGES),
            "subject": {"organizations": {"values": ["Lab", "Lab *"]}, "countries": {"values": ["DE"]}},
            "isCA": False,
        },
        "constraints": {
            "minDuration": "1h",
            "maxDuration": "2160h",
            "privateKey": {"algorithm": "ECDSA", "minSize": 256},
        },
        "selector": {
            "issuerRef": {"name": issuer, "kind": "Vault*", "group": "vault-issuer.io"},
            "namespace": {"matchNames": ["team-*"], "matchLabels": {"team": "a"}},
        },
    }


def facts() -> RequestFacts:
    """A web server's request with three DNS names."""
    csr = read_request(csr_pem("web.lab.test", "www.lab.test", "web.team-a.svc", common_name="web.lab.test"))
    username = "system:serviceaccount:cert-manager:cert-manager"
    groups = ("system:serviceaccounts", "system:authenticated")
    day = timedelta(hours=24)
    return RequestFacts("web-1", "team-a", username, groups, ISSUER, csr, day, USAGES, False)


def measure(count: int, selected: int, runs: int = 10) -> Timing:
    """Time decisions against `count` policies of which `selected` are for the request's issuer."""
    started = time.perf_counter()
    policies = [
        compile_policy(
            f"policy-{number:04d}",
            spec(number, approves=number == count - 1, issuer="demo" if number >= count - selected else "x*"),
        )
        for number in range(count)
    ]
    compiled = (time.perf_counter() - started) / count
    request = facts()
    _decide(policies, request)
    repeats = max(1, 2_000 // count)
    averages = sorted(_average(policies, request, repeats) for _ in range(runs))
    return Timing(
        count,
        selected,
        round(averages[runs // 2] * 1e6, 1),
        round(averages[-1] * 1e6, 1),
        round(compiled * 1e6, 1),
    )


def _average(policies: Sequence[CompiledPolicy], request: RequestFacts, repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        _decide(policies, request)
    return (time.perf_counter() - started) / repeats


def _decide(policies: Sequence[CompiledPolicy], request: RequestFacts) -> None:
    found = evaluate(policies, {}, request, LABELS)
    # All are usable and the last approves: the worst case, as every selected policy is judged.
    decision = found.decide(dict.fromkeys(found.to_ask, True))
    if decision is None or decision.verdict is not PolicyVerdict.APPROVED:
        raise AssertionError("the last policy should have approved")


WORST: dict[str, dict[str, Any]] = {
    "300 patterns with two stars": {"values": [f"a*{number}*z" for number in range(300)]},
    "a pattern for each label": {
        "validations": [{"rule": "self.split('.').all(p, p.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'))"}]
    },
    "every group with every group": {
        "validations": [{"rule": "cr.groups.all(a, cr.groups.all(b, a == b || self != a || self != b))"}]
    },
    "a Unicode class": {"validations": [{"rule": r"self.matches('^(\\pL|[-.a-z0-9]){1,9}')"}]},
}
"""The dearest things that a policy may ask of DNS names."""


def worst_steps(runs: int = 3) -> list[str]:
    """Return a line for each of the worst cases: its longest step in ms, and how many there were."""
    pem = csr_pem(*(f"{number:04d}.{'a' * 20}.lab.test" for number in range(MAX_NAMES)))
    reading = min(_timed(lambda: read_request(pem))[0] for _ in range(runs))
    lines = [f"reading {len(pem):,} bytes with {MAX_NAMES} names: {reading * 1e3:.1f} ms"]
    groups = tuple(f"group-{number:03d}-{'x' * 20}" for number in range(480))
    asked = replace(facts(), csr=read_request(pem), groups=groups)
    for title, allowed in WORST.items():
        policy = compile_policy("worst", {"allowed": {"dnsNames": allowed}, "selector": {"issuerRef": {}}})
        longest, count = min(_steps(policy, asked) for _ in range(runs))
        lines.append(f"{title}: {count} steps, the longest {longest * 1e3:.1f} ms")
    return lines


def _steps(policy: CompiledPolicy, asked: RequestFacts) -> tuple[float, int]:
    """Return the seconds of the longest step of an evaluation, and the number of steps."""
    steps = violation_steps(policy, asked, Shared.of(asked), [])
    longest, count, more = 0.0, 0, True
    while more:
        seconds, more = _timed(lambda: next(steps, _END) is not _END)
        longest, count = max(longest, seconds), count + 1
    return longest, count


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the processor's seconds, which other processes don't add to, and the result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def record(timings: Sequence[Timing]) -> None:
    """Add the measurement to the history."""
    history = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    history.append({**machine(), "timings": [asdict(timing) for timing in timings]})
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(history, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--record", action="store_true", help=f"add the result to {RESULTS.name}")
    options = parser.parse_args()
    timings = [measure(count, selected) for count in COUNTS for selected in sorted({min(2, count), count})]
    for timing in timings:
        print(timing)
    for line in worst_steps():
        print(line)
    if options.record:
        record(timings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
