"""What is measured: a start, a burst, a steady stream, and a mass renewal; each gives one Measurement.

Each begins on a testbed without requests, with the system stopped, and leaves it so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import load
from benchmarks.api import MERGE, Api, Object
from benchmarks.audit import Audit
from benchmarks.procfs import all_cpu_seconds, now, rss_peak_mb
from benchmarks.spread import percentile
from benchmarks.stepca import running_step_ca
from benchmarks.systems import System, start_of
from benchmarks.watching import Watch, at_revision, issued, renewing
from testbed.cluster import Testbed

NAMESPACE = "bench"
SERVERS = ("apiserver", "etcd", "vault", "webhook", "step-ca")
Values = dict[str, float]


class Mismatch(Exception):
    """What the API server holds, or Vault has signed, isn't what was asked for."""


@dataclass(slots=True)
class Bench:
    """A prepared testbed and the clients of a run."""

    bed: Testbed
    admin: Api
    requester: Api
    audit: Audit

    def servers(self) -> dict[str, int]:
        """Process ids of the servers around the systems."""
        bed = self.bed
        found = {"apiserver": bed.apiserver.process, "etcd": bed.etcd.process, "vault": bed.vault.process}
        if bed.webhook.process.running:
            found["webhook"] = bed.webhook.process
        ca = running_step_ca(bed)
        if ca is not None:
            found["step-ca"] = ca.process
        return {name: process.pid for name, process in found.items()}


class Costs:
    """CPU of the servers since it was made, and of a system's processes since they began."""

    def __init__(self, bench: Bench, system: System | None = None) -> None:
        self._bench = bench
        self._servers = all_cpu_seconds(bench.servers())
        self._before = {} if system is None else all_cpu_seconds(system.processes())

    def so_far(self, system: System, count: int) -> Values:
        """CPU milliseconds a certificate by process, and the controllers' peak memory together, in MB."""
        values = self.servers_so_far(count)
        controllers = all_cpu_seconds(system.processes())
        own = {name: seconds - self._before.get(name, 0.0) for name, seconds in controllers.items()}
        values |= {f"{name}_cpu_ms": seconds * 1000 / count for name, seconds in own.items()}
        values["controller_cpu_ms"] = sum(own.values()) * 1000 / count
        values["rss_peak_mb"] = sum(rss_peak_mb(pid) for pid in system.processes().values())
        return values

    def servers_so_far(self, count: int) -> Values:
        """CPU milliseconds a certificate by server."""
        servers = all_cpu_seconds(self._bench.servers())
        return {
            f"{name}_cpu_ms": (seconds - self._servers[name]) * 1000 / count
            for name, seconds in servers.items()
        }


async def burst(bench: Bench, system: System, objects: Sequence[Object]) -> Values:
    """All requests are there before the system starts; timed from its first process to the last request."""
    await load.create(bench.requester, objects)
    bench.audit.look()
    async with Watch(bench.admin, load.REQUESTS.format(NAMESPACE), issued) as watch:
        costs = Costs(bench)
        await asyncio.to_thread(system.start, bench.bed)
        began = start_of(system)
        await watch.until_done(len(objects), system.processes())
        values = costs.so_far(system, len(objects))
    await asyncio.to_thread(system.stop, bench.bed)
    times = sorted(at - began for at in watch.done.values())
    after_first = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
    values |= {
        "count": len(times),
        "seconds": times[-1],
        "per_second": len(times) / times[-1],
        "per_second_after_first": after_first,
        "first_seconds": times[0],
        **_latencies(times),
    }
    return await _checked(bench, values)


async def steady(bench: Bench, system: System, objects: Sequence[Object], per_second: float) -> Values:
    """Requests come evenly to a running system; the time of each from being seen to being seen Ready."""
    await asyncio.to_thread(system.start, bench.bed)
    await _warm(bench, system)
    bench.audit.look()
    async with Watch(bench.admin, load.REQUESTS.format(NAMESPACE), issued) as watch:
        costs, began = Costs(bench, system), now()
        async with asyncio.TaskGroup() as group:
            for number, one in enumerate(objects):
                await asyncio.sleep(began + number / per_second - now())
                group.create_task(load.create(bench.requester, [one]))
        await watch.until_done(len(objects), system.processes())
        values = costs.so_far(system, len(objects))
    await asyncio.to_thread(system.stop, bench.bed)
    took = [at - watch.begun[name] for name, at in watch.done.items()]
    seconds = max(watch.done.values()) - began
    values |= {"count": len(took), "seconds": seconds, "per_second": len(took) / seconds, **_latencies(took)}
    return await _checked(bench, values)


async def renewal(bench: Bench, system: System, count: int) -> Values:
    """Real Certificates, all issued, are all told to renew at once, as `cmctl renew` does."""
    path = load.CERTIFICATES.format(NAMESPACE)
    await asyncio.to_thread(lambda: system.start(bench.bed, certificates=True))
    made = [load.certificate(f"certificate-{n:05d}", NAMESPACE, system.issuer) for n in range(count)]
    async with Watch(bench.admin, path, at_revision(1)) as first:
        await load.create(bench.admin, made)
        await first.until_done(count, system.processes())
    bench.audit.look()
    marks = [_mark(one) for one in (await bench.admin.list(path))[0]]
    async with Watch(bench.admin, path, at_revision(2), renewing) as watch:
        costs, began = Costs(bench, system), now()
        await bench.admin.each("PATCH", marks, MERGE)
        await watch.until_done(count, system.processes())
        values = costs.so_far(system, count)
    await asyncio.to_thread(system.stop, bench.bed)
    took = [at - watch.begun[name] for name, at in watch.done.items()]
    seconds = max(watch.done.values()) - began
    values |= {"count": count, "seconds": seconds, "per_second": count / seconds, **_latencies(took)}
    signed, logins = bench.audit.look()
    secrets = (await bench.admin.list(f"/api/v1/namespaces/{NAMESPACE}/secrets"))[0]
    kept = sum(1 for one in secrets if (one.get("data") or {}).get("tls.crt"))
    if kept != count or signed < count:
        raise Mismatch(f"{count} Certificates were renewed, but {kept} Secrets are there, {signed} signed")
    await load.clear(bench.admin, NAMESPACE)
    return values | {"signed": signed, "logins": logins}


def _mark(one: Object) -> tuple[str, Object]:
    # A merge patch replaces the whole list, so what else it holds is sent along.
    conditions = [each for each in one["status"]["conditions"] if each["type"] != "Issuing"]
    issuing = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": conditions[0]["lastTransitionTime"],
    }
    path = f"{load.CERTIFICATES.format(NAMESPACE)}/{one['metadata']['name']}/status"
    return path, {"status": {"conditions": [*conditions, issuing]}}


async def _warm(bench: Bench, system: System) -> None:
    """Have one request issued by a running system, so that it is known to be ready; and remove it."""
    async with Watch(bench.admin, load.REQUESTS.format(NAMESPACE), issued) as watch:
        await load.create(bench.requester, [load.request("warm", NAMESPACE, system.issuer)])
        await watch.until_done(1, system.processes())
    await load.clear(bench.admin, NAMESPACE)


async def _checked(bench: Bench, values: Values) -> Values:
    """See that each request is issued and was signed at least once, then remove them."""
    count = int(values["count"])
    signed, logins = bench.audit.look()
    found = sum(1 for one in (await bench.admin.list(load.REQUESTS.format(NAMESPACE)))[0] if issued(one))
    if found != count or signed < count:
        raise Mismatch(f"{count} requests were issued, the API server has {found} and the CA signed {signed}")
    await load.clear(bench.admin, NAMESPACE)
    return values | {"signed": signed, "logins": logins}


def _latencies(seconds: Sequence[float]) -> Values:
    return {"p50_ms": percentile(seconds, 50) * 1000, "p99_ms": percentile(seconds, 99) * 1000}
