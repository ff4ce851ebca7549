"""Carries a plan out, telling each measurement as it is made."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks import load, scenarios
from benchmarks.api import Api, Object
from benchmarks.audit import Audit
from benchmarks.given import SIGN_PATH
from benchmarks.machine import machine
from benchmarks.peers import APPROVER_POLICY_LEASE
from benchmarks.plan import BURST, RENEWAL, START, Plan, rotated
from benchmarks.scenarios import NAMESPACE, Bench, Values
from benchmarks.stepca import StepAudit, close_step_ca
from benchmarks.systems import System, all_systems
from testbed import certmanager
from testbed.cluster import Options, Testbed
from testbed.labca import setup_pki
from testbed.progress import spoken


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one scenario gave for one system in one round."""

    round: int
    system: str
    scenario: str
    values: Values


@dataclass(slots=True)
class Run:
    """A whole run, as it is kept in `results/`."""

    machine: dict[str, Any]
    plan: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)

    def by_round(self, system: str, scenario: str, value: str) -> dict[int, float]:
        """One value of one system in one scenario, by round."""
        return {
            one.round: one.values[value]
            for one in self.measurements
            if one.system == system and one.scenario == scenario and value in one.values
        }

    def scenarios(self, system: str) -> list[str]:
        """What was measured of a system, in order."""
        return list(dict.fromkeys(one.scenario for one in self.measurements if one.system == system))


class Teller:
    """Says what was measured and how long the rest will take."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._began = total, 0, time.monotonic()

    def measured(self, one: Measurement) -> None:
        """A line for one measurement."""
        self._done += 1
        spent = time.monotonic() - self._began
        left = spent / self._done * (self._total - self._done)
        values = one.values
        text = (
            f"[{self._done}/{self._total}] round {one.round + 1} {one.system:18} {one.scenario:10}"
            f" {values['per_second']:6.1f}/s  p99 {values['p99_ms']:7.0f} ms"
            f"  controller {values['controller_cpu_ms']:5.2f} ms  {values['rss_peak_mb']:4.0f} MB"
        )
        rest = f"  ({spoken(spent)}, about {spoken(left)} left)" if self._done < self._total else ""
        print(text + rest, file=sys.stderr, flush=True)


async def carry_out(plan: Plan, systems: Mapping[str, System] | None = None) -> Run:
    """Run everything; raises what the testbed, a stalled system or a mismatch raises."""
    known = systems or all_systems()
    chosen = {name: known[name] for name in plan.systems}
    run = Run(machine(), asdict(plan), titles={name: one.title for name, one in chosen.items()})
    teller = Teller(plan.rounds * len(chosen) * len(plan.scenarios()))

    async def measure(bench: Bench, number: int, name: str) -> None:
        for scenario in plan.scenarios():
            values = await _scenario(plan, bench, chosen[name], scenario)
            rounded = {key: round(value, 3) for key, value in values.items()}
            run.measurements.append(Measurement(number, name, scenario, rounded))
            teller.measured(run.measurements[-1])

    if plan.fresh:
        for number in range(plan.rounds):
            for name in rotated(plan.systems, number):
                async with prepared(plan, {name: chosen[name]}, run) as bench:
                    await measure(bench, number, name)
    else:
        async with prepared(plan, chosen, run) as bench:
            for number in range(plan.rounds):
                for name in rotated(plan.systems, number):
                    await measure(bench, number, name)
    return run


async def _scenario(plan: Plan, bench: Bench, system: System, scenario: str) -> Values:
    def requests(count: int) -> list[Object]:
        return load.requests(count, NAMESPACE, [system.issuer])

    if scenario == START:
        return await scenarios.burst(bench, system, requests(1))
    if scenario == BURST:
        return await scenarios.burst(bench, system, requests(plan.burst))
    if scenario == RENEWAL:
        return await scenarios.renewal(bench, system, plan.certificates)
    rate = int(scenario.rpartition("-")[2])
    return await scenarios.steady(bench, system, requests(rate * plan.steady_seconds), rate)


@asynccontextmanager
async def prepared(plan: Plan, systems: Mapping[str, System], run: Run | None = None) -> AsyncIterator[Bench]:
    """A testbed on which these systems are set up and stopped, and the servers have been warmed up."""
    options = Options(
        webhook=plan.webhook,
        approver=False,
        vault_in_memory=False,
        approver_policy=any(one.uses_approver_policy for one in systems.values()),
    )
    with Testbed(options) as bed:
        bed.cert_manager.process.stop()
        await asyncio.to_thread(setup_pki, bed.vault)
        if run is not None:
            run.versions |= _versions(bed)
        for system in systems.values():
            await asyncio.to_thread(system.prepare, bed)
        if options.approver_policy:
            bed.approver_policy.process.stop()
            bed.kube.delete(*APPROVER_POLICY_LEASE)
        async with clients(bed) as bench:
            try:
                for system in systems.values():
                    first = load.requests(max(1, plan.warm), NAMESPACE, [system.issuer])
                    await scenarios.burst(bench, system, first)
                yield bench
            except Exception:
                _tell_logs(bed)
                raise
            finally:
                close_step_ca(bed)


@asynccontextmanager
async def clients(bed: Testbed) -> AsyncIterator[Bench]:
    """A testbed with the namespace and the clients of a benchmark; requests are cert-manager's."""
    bed.create_namespace(NAMESPACE)
    token = bed.service_account_token(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT)
    audit = Audit(bed.vault.audit_log, SIGN_PATH, StepAudit(bed).look)
    async with (
        Api(bed.server, bed.ca_file, bed.token) as admin,
        Api(bed.server, bed.ca_file, token) as requester,
    ):
        yield Bench(bed, admin, requester, audit)


def _tell_logs(bed: Testbed) -> None:
    """The end of each system's log, as the logs go with the testbed."""
    for log in sorted(bed.directory.rglob("*.log")):
        if log.stem.startswith(("controller-", "bare-loop", "cert-manager", "approver-policy", "step-")):
            lines = log.read_text(errors="replace").splitlines()[-5:]
            print(f"the end of {log.name}:", *lines, sep="\n  ", file=sys.stderr)


def _versions(bed: Testbed) -> dict[str, str]:
    servers = bed.servers
    found = (servers.etcd, servers.kube_apiserver, servers.bao, servers.cert_manager, servers.approver_policy)
    return {one.name: one.version for one in found if one is not None}
