"""Many finished requests, made quickly: what a cluster has after months."""

from __future__ import annotations

import asyncio

from benchmarks import load
from benchmarks.api import Api, Object
from benchmarks.scenarios import NAMESPACE, Bench
from benchmarks.systems import Ours
from benchmarks.watching import Watch, issued

PAST, OTHERS = "past", "others"
AT_ONCE = 32
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


async def finished_of_ours(bench: Bench, system: Ours, count: int) -> None:
    """Have so many issued requests of ours in the cluster."""
    await _fill(bench, system, count, PAST, system.issuer)


async def finished_of_others(bench: Bench, system: Ours, count: int) -> None:
    """Have so many issued requests of cert-manager's own issuers in the cluster."""
    issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "elsewhere"}
    await _fill(bench, system, count, OTHERS, issuer)


async def _fill(bench: Bench, system: Ours, count: int, namespace: str, issuer: dict[str, str]) -> None:
    bed = bench.bed
    await asyncio.to_thread(bed.create_namespace, namespace)
    there = len((await bench.admin.list(load.REQUESTS.format(namespace)))[0])
    if there >= count:
        return
    status = await _real_status(bench, system)
    with_webhook = bed.webhook.process.running
    if with_webhook:
        for kind in _WEBHOOKS:
            bed.kube.delete("admissionregistration.k8s.io/v1", kind, "cert-manager-webhook")
        await _until_stamped(bench.admin, stamped=False)
    objects = [load.request(f"past-{n:05d}", namespace, issuer, _one_csr) for n in range(there, count)]
    await _make(bench.admin, objects, status)
    if with_webhook:
        bed.kube.apply(bed.webhook.configurations())
        await _until_stamped(bench.admin, stamped=True)


def _one_csr(_name: str) -> bytes:
    return load.one_csr()


async def _real_status(bench: Bench, system: Ours) -> Object:
    """The status that our controller really gives a request."""
    path = load.REQUESTS.format(NAMESPACE)
    await load.create(bench.requester, [load.request("sample", NAMESPACE, system.issuer)])
    async with Watch(bench.admin, path, issued) as watch:
        await asyncio.to_thread(system.start, bench.bed)
        await watch.until_done(1, system.processes())
    await asyncio.to_thread(system.stop, bench.bed)
    status: Object = (await bench.admin.call("GET", f"{path}/sample"))["status"]
    await load.clear(bench.admin, NAMESPACE)
    return status


async def _make(api: Api, objects: list[Object], status: Object) -> None:
    waiting = iter(objects)

    async def work() -> None:
        for one in waiting:
            path = load.REQUESTS.format(one["metadata"]["namespace"])
            made = await api.call("POST", path, one)
            name = one["metadata"]["name"]
            await api.call("PUT", f"{path}/{name}/status", {**made, "status": status})

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def _until_stamped(api: Api, *, stamped: bool) -> None:
    """Wait until the webhook stands in front again, or no longer: it writes who asks over what is sent."""
    issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "elsewhere"}
    sample = load.request("probe", NAMESPACE, issuer)
    for _ in range(300):
        made = await api.call("POST", f"{load.REQUESTS.format(NAMESPACE)}?dryRun=All", sample)
        if (made["spec"]["username"] == "admin") is stamped:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("the API server did not take the webhooks' change up in 30 s")
