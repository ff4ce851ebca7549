"""A single request beside a namespace's backlog: how much longer it takes than on an idle controller.

    python -m benchmarks.fairness [--backlog 10000] [--probes 100] [--record]

The backlog is made while the controller is stopped. Then single requests come in another namespace, one
after the other with a pause: first at an idle controller, then while it works the backlog off. Prints p50 and
p99 of both and their ratios; `--record` keeps them in `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import keeping, load
from benchmarks.machine import machine
from benchmarks.plan import Plan
from benchmarks.runner import prepared
from benchmarks.scenarios import NAMESPACE, Bench
from benchmarks.spread import percentile
from benchmarks.systems import Ours
from benchmarks.watching import Watch, issued

CROWD = "crowd"
PAUSE = 0.2  # seconds between two single requests


async def measure(backlog: int, probes: int) -> dict[str, Any]:
    """Milliseconds of single requests, idle and beside the backlog."""
    ours = Ours()
    plan = Plan((ours.name,), rounds=1, start=False, burst=0, steady=(), certificates=0)
    async with prepared(plan, {ours.name: ours}) as bench:
        await asyncio.to_thread(bench.bed.create_namespace, CROWD)
        await asyncio.to_thread(ours.start, bench.bed)
        idle = await _singles(bench, ours, "idle", probes)
        await asyncio.to_thread(ours.stop, bench.bed)
        print(f"idle: {_told(idle)}; making the backlog of {backlog}", file=sys.stderr, flush=True)
        crowd = load.requests(backlog, CROWD, [ours.issuer], lambda _name: load.one_csr())
        await load.create(bench.requester, crowd)
        async with Watch(bench.admin, load.REQUESTS.format(CROWD), issued) as watch:
            await asyncio.to_thread(ours.start, bench.bed)
            await watch.until_done(10, ours.processes())
            beside = await _singles(bench, ours, "beside", probes)
            left = backlog - len(watch.done)
        await asyncio.to_thread(ours.stop, bench.bed)
    if left <= 0:
        raise AssertionError("the backlog was worked off before the last single request: make it longer")
    return {
        "machine": machine(),
        "backlog": backlog,
        "backlog_left": left,
        "probes": probes,
        "idle_ms": _summary(idle),
        "beside_ms": _summary(beside),
        "ratio_p50": round(percentile(beside, 50) / percentile(idle, 50), 2),
        "ratio_p99": round(percentile(beside, 99) / percentile(idle, 99), 2),
    }


async def _singles(bench: Bench, ours: Ours, name: str, count: int) -> list[float]:
    took: list[float] = []
    async with Watch(bench.admin, load.REQUESTS.format(NAMESPACE), issued) as watch:
        for number in range(-1, count):  # the first one, which finds out that all is ready, isn't counted
            one = load.request(f"{name}-{number + 1:03d}", NAMESPACE, ours.issuer)
            before = len(watch.done)
            await load.create(bench.requester, [one])
            await watch.until_done(before + 1, ours.processes())
            own = one["metadata"]["name"]
            if number >= 0:
                took.append((watch.done[own] - watch.begun[own]) * 1000)
            await asyncio.sleep(PAUSE)
    return took


def _summary(took: Sequence[float]) -> dict[str, float]:
    return {f"p{percent}": round(percentile(took, percent), 1) for percent in (50, 90, 99)}


def _told(took: Sequence[float]) -> str:
    return ", ".join(f"{name} {value:.0f} ms" for name, value in _summary(took).items())


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backlog", type=int, default=10_000, help="requests of the other namespace")
    parser.add_argument("--probes", type=int, default=100, help="single requests, idle and beside")
    parser.add_argument("--record", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args()
    found = asyncio.run(measure(options.backlog, options.probes))
    print(f"idle:   {found['idle_ms']}")
    print(f"beside: {found['beside_ms']} ({found['backlog_left']} of the backlog left at the end)")
    print(f"ratio:  p50 {found['ratio_p50']}, p99 {found['ratio_p99']}")
    if options.record:
        print(f"kept in {keeping.save('fairness', found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
