"""What one more replica costs, measured without one: its watch at the API server, its reading, its Leases."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import load
from benchmarks.given import our_issuer_like
from benchmarks.scenarios import NAMESPACE, Bench, Costs, Values
from benchmarks.systems import Ours
from benchmarks.watching import Watch, issued
from testbed.cluster import REPOSITORY
from testbed.processes import Process

LEASES = "/apis/coordination.k8s.io/v1/namespaces/vault-issuer-system/leases"
EXTERNAL = "bench-external"


@asynccontextmanager
async def more_watches(bench: Bench, count: int) -> AsyncIterator[None]:
    """While the block runs, so many more watches of our requests are read, and thrown away, by a process."""
    if not count:
        yield
        return
    bed = bench.bed
    process = Process("watches", bed.directory / "watches.log")
    bed.adopt(process)
    token = bed.directory / "watches.token"
    token.write_text(bed.token)
    words: list[str | Path] = [bed.server, bed.ca_file, token, str(count)]
    process.start([sys.executable, "-m", "benchmarks.drain", *words], {"PYTHONPATH": str(REPOSITORY)})
    try:
        await asyncio.to_thread(process.wait_ready, lambda: "open" in process.output())
        yield
    finally:
        process.stop()


async def passing_cost(bench: Bench, system: Ours, count: int) -> Values:
    """CPU of our controller for a request that somebody else answers: it reads both events, and does nothing.

    The requests are for an issuer of ours that waits for another approver, and are answered by the benchmark.
    """
    bed = bench.bed
    bed.kube.apply(our_issuer_like(bed, "bench", EXTERNAL, approval="External"))
    issuer = {**system.issuer, "name": EXTERNAL}
    await asyncio.to_thread(system.start, bed)
    path = load.REQUESTS.format(NAMESPACE)
    async with Watch(bench.admin, path, issued) as ready:
        await load.create(bench.requester, [load.request("warm", NAMESPACE, system.issuer)])
        await ready.until_done(1, system.processes())
    status = (await bench.admin.call("GET", f"{path}/warm"))["status"]
    await load.clear(bench.admin, NAMESPACE)
    objects = load.requests(count, NAMESPACE, [issuer])
    costs = Costs(bench, system)
    await load.create(bench.requester, objects)
    made, _ = await bench.admin.list(path)
    answers = [(f"{path}/{one['metadata']['name']}/status", {**one, "status": status}) for one in made]
    await bench.admin.each("PUT", answers)
    await asyncio.sleep(1)  # until it has read the last of them
    values = costs.so_far(system, count)
    await asyncio.to_thread(system.stop, bed)
    await load.clear(bench.admin, NAMESPACE)
    return {"count": count, "controller_cpu_ms": values["controller_cpu_ms"]}


async def lease_cost(bench: Bench, count: int) -> Values:
    """CPU of API server and etcd for one renewal of a Lease."""
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "bench", "namespace": "vault-issuer-system"},
        "spec": {"holderIdentity": "bench", "leaseDurationSeconds": 15},
    }
    lease = await bench.admin.call("POST", LEASES, body)
    costs = Costs(bench)
    for number in range(count):
        lease["spec"]["leaseTransitions"] = number
        lease = await bench.admin.call("PUT", f"{LEASES}/bench", lease)
    values = costs.servers_so_far(count)
    await bench.admin.call("DELETE", f"{LEASES}/bench")
    return {
        "count": count,
        "apiserver_cpu_ms": values["apiserver_cpu_ms"],
        "etcd_cpu_ms": values["etcd_cpu_ms"],
    }
