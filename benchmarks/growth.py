"""How cost grows: the same burst for our controller while one thing around it grows.

    python -m benchmarks growth [--record]

Each curve has a testbed of its own, warmed up, on which the thing only grows. cert-manager's webhook is left
out unless asked for: its own five reviews a second would hide the slopes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks import filling, load, scenarios, watchers
from benchmarks.given import bench_policy, our_issuer_like
from benchmarks.machine import machine
from benchmarks.plan import Plan
from benchmarks.runner import Measurement, Run, prepared
from benchmarks.scenarios import NAMESPACE, Bench, Values
from benchmarks.systems import Ours
from testbed.progress import spoken

Grow = Callable[[Bench, Ours, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One thing that grows: its name, in words, its sizes in order, and what makes it so large.

    `csr` names another kind of CSR for each size instead (see `load.CSRS`).
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    grow: Grow


async def _nothing(_bench: Bench, _system: Ours, _size: int) -> None:
    """The thing is what the burst itself brings along."""


async def _issuers(bench: Bench, _system: Ours, size: int) -> None:
    objects = [our_issuer_like(bench.bed, "bench", name) for name in issuer_names(size)]
    await asyncio.to_thread(bench.bed.kube.apply, objects)


async def _policies_for_others(bench: Bench, _system: Ours, size: int) -> None:
    made = [bench_policy(f"other-{number:04d}", f"other-{number}") for number in range(1, size)]
    await asyncio.to_thread(bench.bed.kube.apply, made)


async def _policies_selected(bench: Bench, _system: Ours, size: int) -> None:
    # Each would deny, and sorts before the one that approves: all are judged, the worst case.
    made = [bench_policy(f"a-strict-{number:04d}", domain=f"n{number}.test") for number in range(1, size)]
    await asyncio.to_thread(bench.bed.kube.apply, made)


CURVES = (
    Curve("finished", "finished requests of ours", (0, 5_000, 20_000), filling.finished_of_ours),
    Curve("others", "requests of other issuers", (0, 20_000), filling.finished_of_others),
    Curve("issuers", "issuers, requests spread over all", (1, 20, 200), _issuers),
    Curve("policies", "policies, one of them for the issuer", (1, 50, 1_000), _policies_for_others),
    Curve("selected", "policies, all for the issuer", (1, 50, 1_000), _policies_selected),
    Curve("contents", "what is asked for", (1, 2, 3), _nothing),
    Curve("watchers", "more watches of our requests", (0, 8, 32), _nothing),
)
CONTENTS = {1: ("EC P-256, one name", load.ec_csr), 2: ("RSA 4096", load.rsa_csr)}
CONTENTS[3] = ("100 names", load.many_names_csr)


def issuer_names(count: int) -> list[str]:
    """Names of the issuers of a size of the curve `issuers`; the first is the usual one."""
    return ["bench", *(f"bench-{number:03d}" for number in range(1, count))]


async def measure_growth(burst: int, rounds: int, names: tuple[str, ...], most: int, webhook: bool) -> Run:
    """Measure the named curves up to a size, and the costs that only the model of scaling needs."""
    run = Run(machine(), {"burst": burst, "rounds": rounds, "webhook": webhook})
    began = time.monotonic()

    def tell(curve: str, size: int, number: int, values: Values) -> None:
        rounded = {key: round(value, 3) for key, value in values.items()}
        run.measurements.append(Measurement(number, curve, str(size), rounded))
        shown = "  ".join(f"{key} {rounded[key]:.2f}" for key in SHOWN if key in rounded)
        print(
            f"{curve:10} {size:6} round {number + 1}  {shown}  ({spoken(time.monotonic() - began)})",
            file=sys.stderr,
            flush=True,
        )

    for curve in CURVES:
        if curve.name in names:
            run.titles[curve.name] = curve.title
            async with _bench(run, burst, webhook) as (bench, system):
                for size in (one for one in curve.sizes if one <= most):
                    await curve.grow(bench, system, size)
                    for number in range(rounds):
                        tell(curve.name, size, number, await _one(bench, system, curve, size, burst))
    if "model" in names:
        run.titles["passing"] = "requests that another replica answers"
        run.titles["lease"] = "renewals of a Lease"
        async with _bench(run, burst, webhook) as (bench, system):
            for number in range(rounds):
                tell("passing", burst, number, await watchers.passing_cost(bench, system, burst))
                tell("lease", burst, number, await watchers.lease_cost(bench, burst))
    return run


SHOWN = ("per_second", "first_seconds", "controller_cpu_ms", "apiserver_cpu_ms", "rss_peak_mb")
NAMES = (*(curve.name for curve in CURVES), "model")


@asynccontextmanager
async def _bench(run: Run, burst: int, webhook: bool) -> AsyncIterator[tuple[Bench, Ours]]:
    system = Ours()
    async with prepared(
        Plan((system.name,), warm=burst, webhook=webhook), {system.name: system}, run
    ) as bench:
        yield bench, system


async def _one(bench: Bench, system: Ours, curve: Curve, size: int, burst: int) -> Values:
    issuers = [system.issuer]
    if curve.name == "issuers":
        issuers = [{**system.issuer, "name": name} for name in issuer_names(size)]
    csr = CONTENTS[size][1] if curve.name == "contents" else load.ec_csr
    objects = await asyncio.to_thread(load.requests, burst, NAMESPACE, issuers, csr)
    if curve.name == "watchers":
        async with watchers.more_watches(bench, size):
            return await scenarios.burst(bench, system, objects)
    return await scenarios.burst(bench, system, objects)
