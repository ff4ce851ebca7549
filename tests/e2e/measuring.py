"""What a replica takes: from its container's start to the first certificate, and while it is idle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from testbed.chart import RELEASE
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.kube import condition
from tests.e2e.arrivals import API, KIND, new_request
from tests.e2e.cluster import NAMESPACE, Cluster

# When process 1 of the container began: the time now, less its age (ticks since the machine's start).
_BEGAN = (
    "import os, time; "
    "ticks = int(open('/proc/1/stat').read().rpartition(')')[2].split()[19]); "
    "print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf('SC_CLK_TCK'))"
)
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU in percent of one core, and the working set in MB, as kubelet reports them."""

    cpu_percent: float
    memory_mb: float


def first_certificate(cluster: Cluster) -> tuple[float, float]:
    """Seconds from the start of a container until it is Ready (whole seconds), and until it has signed.

    A request waits for it; the issuer is known, as after a crash or a node's restart.
    """
    _scale(cluster, 0)
    name = "first-after-start"
    cluster.kube.create(new_request(name))
    _scale(cluster, 1)
    deadline = time.monotonic() + 120
    while (condition(cluster.kube.get(API, KIND, name, NAMESPACE), "Ready") or {}).get("status") != "True":
        assert time.monotonic() < deadline, "the first request after the start was not signed"
        time.sleep(_POLL_SECONDS)
    signed = time.time()
    pod = cluster.replicas()[0]["metadata"]["name"]
    words = ["exec", pod, f"--namespace={SYSTEM_NAMESPACE}", "--", "python3", "-c", _BEGAN]
    began = float(cluster.kubectl(*words))
    ready = cluster.kube.wait("v1", "Pod", pod, SYSTEM_NAMESPACE, timeout=60)
    seen = datetime.fromisoformat((condition(ready, "Ready") or {})["lastTransitionTime"]).timestamp()
    return max(0.0, round(seen - began, 1)), round(signed - began, 2)


def _scale(cluster: Cluster, replicas: int) -> None:
    cluster.kube.patch(
        "apps/v1", "Deployment", RELEASE, {"spec": {"replicas": replicas}}, SYSTEM_NAMESPACE, "scale"
    )
    deadline = time.monotonic() + 120
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=controller"
    while replicas == 0 and cluster.kube.list("v1", "Pod", SYSTEM_NAMESPACE, labelSelector=selector):
        assert time.monotonic() < deadline, "the replicas did not end"
        time.sleep(0.1)


def usage(cluster: Cluster, seconds: float) -> dict[str, Usage]:
    """Of each replica, over so many seconds."""
    before = _samples(cluster)
    time.sleep(seconds)  # what is measured is this time's use
    found = {}
    for name, first in before.items():
        last = _later(cluster, name, first)
        spent = last["cpu"]["usageCoreNanoSeconds"] - first["cpu"]["usageCoreNanoSeconds"]
        took = _time(last) - _time(first)
        found[name] = Usage(
            round(spent / 1e9 / took * 100, 2), round(last["memory"]["workingSetBytes"] / 1e6, 1)
        )
    return found


def _later(cluster: Cluster, name: str, first: dict[str, Any]) -> dict[str, Any]:
    """A sample taken ten seconds after the first one at least: kubelet takes them at times of its own."""
    deadline = time.monotonic() + 60
    while True:
        last = _samples(cluster)[name]
        if _time(last) - _time(first) > 10:
            return last
        assert time.monotonic() < deadline, f"kubelet took no second sample of {name}"
        time.sleep(1)


def _samples(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """kubelet's last sample of each replica's container that has any."""
    deadline = time.monotonic() + 90
    replicas = {one["metadata"]["name"]: one["spec"]["nodeName"] for one in cluster.replicas()}
    while True:
        found: dict[str, dict[str, Any]] = {}
        for node in set(replicas.values()):
            summary = cluster.kube.http.call("GET", f"/api/v1/nodes/{node}/proxy/stats/summary")
            for pod in summary["pods"]:
                name = pod["podRef"]["name"]
                for one in pod.get("containers", []):
                    if name in replicas and one.get("memory", {}).get("workingSetBytes"):
                        found[name] = one
        if found.keys() == replicas.keys():
            return found
        assert time.monotonic() < deadline, f"kubelet has samples of {sorted(found)} only"
        time.sleep(1)


def _time(sample: dict[str, Any]) -> float:
    return datetime.fromisoformat(sample["cpu"]["time"]).timestamp()
