"""Replicas that share the work, and what they say of it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from issuer.controller.process.options import LeaderOptions
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object, load
from testbed.processes import PATIENCE
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    ready,
    request_object,
)
from tests.integration.support.waiting import wait_until

RIGHTS = REPOSITORY / "config" / "rbac" / "optional" / "sharding.yaml"
SHARDS = 8
CALL = 2
"""Seconds of --vault-timeout of a replica that is to die: others wait for its Leases, which last 15 more."""
SHORT_LEASES = (f"--vault-timeout={CALL}",)
"""Arguments of a replica that is to die. The others have the defaults: on a busy machine a renewal
may take longer than the 12 seconds that these leave for it."""


@contextmanager
def signing_issuer(bed: Testbed, layout: PkiLayout, name: str) -> Iterator[str]:
    """An issuer that signs, and the right to share its work."""
    cluster_issuer_with_token(bed, name, setup_token(bed.vault, layout.policy))
    bed.kube.apply(RIGHTS)
    yield name
    delete_issuer(bed, name)


def take_rights_back(bed: Testbed) -> None:
    """Other tests look at what is granted by default."""
    for item in load(RIGHTS):
        meta = item["metadata"]
        bed.kube.delete(item["apiVersion"], item["kind"], meta["name"], meta["namespace"])


def replica(bed: Testbed, group: str, *args: str, shards: int = SHARDS) -> ControllerProcess:
    """One that shares the work with all of the same group; not started."""
    bed.kube.apply(RIGHTS)
    flags = (f"--lease-name={group}", f"--shards={shards}")
    return ControllerProcess(bed, [*flags, "--issuer-check-period=2", *args], leader_elect=True)


@contextmanager
def replicas(bed: Testbed, group: str, count: int, *args: str) -> Iterator[list[ControllerProcess]]:
    """So many of them, each with its share."""
    with ExitStack() as stack:
        running = [stack.enter_context(replica(bed, group, *args)) for _ in range(count)]
        wait_shared(running)
        yield running


def value(controller: ControllerProcess, metric: str) -> float:
    """The sum of a metric's samples; 0 when it has none."""
    found = re.findall(rf"^{re.escape(metric)}(?:{{[^}}]*}})? (\S+)$", controller.metrics(), re.MULTILINE)
    return sum(map(float, found))


def owned(controller: ControllerProcess) -> int:
    """How many shards it works on."""
    return int(value(controller, "vault_issuer_shards_owned"))


def issued(controller: ControllerProcess) -> int:
    """How many certificates it has delivered."""
    return int(value(controller, 'vault_issuer_requests_total{outcome="issued",reason="Issued"}'))


def wait_shared(running: Sequence[ControllerProcess], shards: int = SHARDS) -> None:
    """Wait until each has its share of all shards."""
    least, more = divmod(shards, len(running))
    wanted = sorted([least + 1] * more + [least] * (len(running) - more))
    wait_until(lambda: sorted(map(owned, running)) == wanted, f"{wanted} shards")


def create(
    bed: Testbed, namespace: str, issuer: str, names: Sequence[str], kind: str = "VaultClusterIssuer"
) -> None:
    """Make requests of these names, several at once."""
    objects = [request_object(name, namespace, issuer, kind=kind) for name in names]
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(bed.kube.create, objects))


def answers(bed: Testbed, namespace: str) -> Counter[str]:
    """The requests of a namespace by the reason of their Ready condition."""
    return Counter(
        str(ready(one).get("reason", "none")) for one in bed.kube.list(CERT_MANAGER, REQUEST, namespace)
    )


def wait_all_issued(bed: Testbed, namespace: str, count: int, seconds: float = PATIENCE) -> None:
    """Wait until so many requests are issued, and none is anything else."""
    deadline = time.monotonic() + seconds
    while (found := answers(bed, namespace)) != {"Issued": count}:
        assert time.monotonic() < deadline, f"not all were issued: {found}"
        time.sleep(0.3)


def leases(bed: Testbed, group: str) -> dict[str, Object]:
    """The Leases of a group, by the last part of their names; the main one's is empty."""
    found = bed.kube.list("coordination.k8s.io/v1", "Lease", SYSTEM_NAMESPACE)
    ours = [one for one in found if one["metadata"]["name"].startswith(group)]
    return {one["metadata"]["name"].removeprefix(group).lstrip("-"): one for one in ours}


def options(group: str, call: float = 15.0) -> dict[str, Any]:
    """Return what `in_process` takes for a replica of that group; `call` is its --vault-timeout."""
    return {"leader": LeaderOptions(lease_name=group, shards=SHARDS), "call": call}
