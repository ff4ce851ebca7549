"""Nobody waits for what is not theirs: another namespace's backlog, another issuer's dead Vault, a limit.

Some of these run once more with their mechanism switched off (``unfair``), to show that they would notice.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.kube import Object
from testbed.labca import setup_pki
from testbed.samples import API_VERSION, EVERYBODY, lab_policy, use_binding
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_all,
    delete_issuer,
    events,
    namespaced_issuer_with_token,
    only_policies,
    ready,
    request,
    request_object,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.forwarding_vault import Answer, DyingVault, ForwardingVault
from tests.integration.support.waiting import wait_until
from tests.sizes import LONGER, sized

pytestmark = pytest.mark.usefixtures("many_requests")
CSR = csr_pem("fair.lab.example.test")
IN_HAND = 8  # --issuer-concurrency
WORKERS = 64
MANY = sized(300, 80)  # more than there are workers
CALLS = sized(60, 30)
LIMITED = [None, pytest.param("limits", marks=LONGER)]
DENIALS = sized(600, 400)  # more events than may be written at once and wait


def create(bed: Testbed, namespace: str, issuer: str, count: int, csr: bytes = CSR) -> Object:
    """Make many requests at once; the resourceVersion of each as it was made."""
    objects = [request_object(f"r{number}", namespace, issuer, csr=csr) for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        return {one["metadata"]["name"]: version(one) for one in pool.map(bed.kube.create, objects)}


def all_in(bed: Testbed, namespace: str) -> list[Object]:
    """Every request of a namespace."""
    return bed.kube.list(CERT_MANAGER, REQUEST, namespace)


def version(obj: Object) -> int:
    """etcd's count of writes at this object's last one: it orders all writes of the cluster."""
    return int(obj["metadata"]["resourceVersion"])


def controller(bed: Testbed, without: str | None, args: Sequence[str] = ()) -> ControllerProcess:
    """A controller, possibly with a mechanism switched off."""
    command = (sys.executable, "-m", "tests.integration.support.unfair_controller") if without else None
    return ControllerProcess(bed, args, command=command, env={"WITHOUT": without} if without else None)


def metric(one: ControllerProcess, series: str) -> float:
    """A metric's value, 0 where it has none."""
    lines = (line.rpartition(" ") for line in one.metrics().splitlines() if line.startswith(series))
    return sum(float(value) for _, _, value in lines)


def in_hand_and_waiting(one: ControllerProcess) -> float:
    """How many requests the workers have, or will have."""
    return metric(one, "vault_issuer_requests_in_flight ") + metric(one, "vault_issuer_queue_depth ")


def throttled(one: ControllerProcess, issuer: str, reason: str) -> float:
    """Seconds in which a cluster issuer's requests were held back for that reason."""
    labels = f'kind="VaultClusterIssuer",name="{issuer}",namespace="",reason="{reason}"'
    return metric(one, f"vault_issuer_throttled_seconds_total{{{labels}}}")


@pytest.fixture
def other(bed: Testbed, namespace: str) -> str:
    """A second namespace."""
    return bed.create_namespace(f"{namespace}-other")


@pytest.fixture
def swept(bed: Testbed, namespace: str, other: str) -> Iterator[None]:
    """However a test ends, it leaves no work to the controllers of others."""
    yield
    for one in (namespace, other):
        delete_all(bed, CERT_MANAGER, REQUEST, one)
    delete_issuer(bed, namespace)


# Turns -------------------------------------------------------------------------


def behind(bed: Testbed, backlog: str, quiet: str, issuer: str, name: str) -> int:
    """Make one request: how many of the backlog were issued between its making and its certificate."""
    made = request(bed, name, quiet, issuer, csr=CSR)
    done = wait_issued(bed, name, quiet, 300)
    issued = (version(one) for one in all_in(bed, backlog) if ready(one).get("status") == "True")
    return sum(1 for one in issued if version(made) < one < version(done))


@pytest.mark.slow
@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize(
    ("without", "count"),
    [(None, sized(3000, 250)), pytest.param("turns", 800, marks=LONGER)],
    ids=["fair", "without-turns"],
)
def test_a_backlog_in_one_namespace_does_not_hold_up_anothers_single_request(
    bed: Testbed,
    layout: PkiLayout,
    namespace: str,
    other: str,
    without: str | None,
    count: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    create(bed, namespace, namespace, count)
    with controller(bed, without) as one:
        wait_ready(bed, namespace)
        passed = [behind(bed, namespace, other, namespace, f"single-{number}") for number in range(3)]
        left = metric(one, "vault_issuer_queue_depth")
    with capsys.disabled():
        print(f"\n  {without or 'fair'}: of {count}, {passed} were issued before a single one made later")
    # Those in hand when it came, and those that took their places while it was worked on itself.
    if without is None:
        assert left > 0
        assert max(passed) <= 4 * IN_HAND
    else:
        assert passed[0] > count / 2


# A dead Vault ------------------------------------------------------------------


@pytest.fixture
def dying(bed: Testbed) -> Iterator[DyingVault]:
    """A second Vault, which a test may freeze."""
    with DyingVault(bed, "dying") as vault:
        yield vault
        vault.resume()


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize("without", LIMITED, ids=["limited", "without-limits"])
def test_a_frozen_vault_holds_up_no_other_issuer(
    bed: Testbed, layout: PkiLayout, dying: DyingVault, namespace: str, other: str, without: str | None
) -> None:
    live, dead = namespace, f"{namespace}-dead"
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, live, token)
    cluster_issuer_with_token(bed, dead, token, server=dying.addr, caBundle=dying.ca_bundle)
    # Long enough that no call ends by itself while we look.
    with controller(bed, without, ["--vault-timeout=300", "--issuer-check-period=600"]) as one:
        wait_ready(bed, live)
        wait_ready(bed, dead)
        request(bed, "before", other, dead)
        wait_issued(bed, "before", other)
        dying.pause()
        create(bed, other, dead, MANY)
        wait_until(lambda: in_hand_and_waiting(one) == MANY, "all are in hand or wait")
        in_hand = metric(one, "vault_issuer_requests_in_flight ")
        # Fewer where they came so slowly that the Vault was found silent before.
        assert in_hand == WORKERS if without else 1 <= in_hand <= IN_HAND
        create(bed, namespace, live, 40)
        if without is None:
            for number in range(40):
                wait_issued(bed, f"r{number}", namespace)
        else:
            time.sleep(5)
        issued = {ready(found).get("status") for found in all_in(bed, namespace)}
        assert issued == ({"True"} if without is None else {None})
        assert not any(ready(found) for found in all_in(bed, other) if found["metadata"]["name"] != "before")
        wait_until(lambda: metric(one, "vault_issuer_requests_in_flight ") == in_hand, "they still hang")
        dying.resume()
        for number in range(MANY):
            wait_issued(bed, f"r{number}", other, 120)
    delete_issuer(bed, dead)


@pytest.mark.parametrize("without", LIMITED, ids=["limited", "without-limits"])
def test_a_frozen_vault_holds_up_no_check_of_another_vaults_issuer(
    bed: Testbed, layout: PkiLayout, dying: DyingVault, namespace: str, without: str | None
) -> None:
    token = setup_token(bed.vault, layout.policy)
    dead = [f"{namespace}-{number}" for number in range(20)]
    dying.pause()
    with controller(bed, without, ["--vault-timeout=300", "--issuer-workers=4"]):
        for name in dead:
            cluster_issuer_with_token(bed, name, token, server=dying.addr, caBundle=dying.ca_bundle)
        wait_until(lambda: len(dying.unanswered) >= 4, lambda: f"{len(dying.unanswered)} checks began")
        cluster_issuer_with_token(bed, namespace, token)
        if without is None:
            wait_ready(bed, namespace)
        else:
            time.sleep(5)
            assert not ready(bed.kube.get(API_VERSION, "VaultClusterIssuer", namespace))
        dying.resume()
        for name in (namespace, *dead):
            wait_ready(bed, name)
    for name in (namespace, *dead):
        delete_issuer(bed, name)


@pytest.mark.parametrize("without", LIMITED, ids=["limited", "without-limits"])
def test_dead_issuers_of_some_namespaces_hold_up_no_check_of_others(
    bed: Testbed, layout: PkiLayout, dying: DyingVault, namespace: str, other: str, without: str | None
) -> None:
    tenants = [bed.create_namespace(f"{namespace}-dead-{number}") for number in range(2)]
    token = setup_token(bed.vault, layout.policy)
    # Long enough that no check of a dead one ends by itself while we look.
    args = ["--vault-timeout=300", "--issuer-workers=4"]
    dying.pause()
    with controller(bed, without, args):
        for tenant in (*tenants, other):
            grant_issuer_access(
                bed, tenant, secrets=[f"d{n}-token" for n in range(10)] + [f"{namespace}-token"]
            )
        for tenant, number in itertools.product(tenants, range(10)):
            there = {"server": f"{dying.addr}/{number}", "caBundle": dying.ca_bundle}  # spelled as no other
            namespaced_issuer_with_token(bed, f"d{number}", tenant, "hvs.none", **there)
        # In turns a namespace has one check under way, quick or slow; without, every worker has one.
        began = dying.unanswered
        wait_until(lambda: len(began) >= (16 if without else 4), lambda: f"{len(began)} checks began")
        namespaced_issuer_with_token(bed, namespace, other, token)
        cluster_issuer_with_token(bed, namespace, token)
        if without is None:
            wait_ready(bed, namespace)
            wait_ready(bed, namespace, other)
        else:
            time.sleep(5)
            assert not ready(bed.kube.get(API_VERSION, "VaultClusterIssuer", namespace))
        assert not any(ready(found) for found in bed.kube.list(API_VERSION, "VaultIssuer", tenants[0]))
        dying.resume()  # else the controller's end would wait for its checks
    for tenant in tenants:
        delete_all(bed, API_VERSION, "VaultIssuer", tenant)
    delete_issuer(bed, namespace)
    delete_issuer(bed, namespace, other)


# spec.rateLimit ----------------------------------------------------------------


def limited(bed: Testbed, layout: PkiLayout, name: str, limit: dict[str, int], **more: Any) -> None:
    """An issuer with ``spec.rateLimit``."""
    issuer = cluster_issuer_with_token(bed, name, setup_token(bed.vault, layout.policy), **more)
    bed.kube.apply({**issuer, "spec": {**issuer["spec"], "rateLimit": limit}})


def asked_at(bed: Testbed, namespace: str) -> list[float]:
    """When Vault was asked to sign what it signed on a mount, by its audit log; seconds, in order."""
    path = f"{namespace}/sign/lab"
    signed = {
        one["request"]["id"]
        for one in bed.vault.audited(path)
        if (one["response"].get("data") or {}).get("certificate")
    }
    asked = (one for one in bed.vault.audited(path, "request") if one["request"]["id"] in signed)
    return sorted(datetime.fromisoformat(one["time"]).timestamp() for one in asked)


def test_vault_is_asked_no_faster_than_the_rate_and_waiting_costs_no_write(
    bed: Testbed, namespace: str
) -> None:
    rate, burst, count = 5, 10, 25
    mine = setup_pki(bed.vault, root_mount=f"{namespace}-root", mount=namespace)
    limited(bed, mine, namespace, {"perSecond": rate, "burst": burst}, path=f"{namespace}/sign/lab")
    with controller(bed, None) as one:
        wait_ready(bed, namespace)
        made = create(bed, namespace, namespace, count)
        unsigned = [one for one in all_in(bed, namespace) if not ready(one).get("status")]
        assert unsigned, "the limit left nothing waiting"
        assert all(version(one) == made[one["metadata"]["name"]] for one in unsigned)
        for number in range(count):
            wait_issued(bed, f"r{number}", namespace, 120)
        assert throttled(one, namespace, "rate") > 0
    times = asked_at(bed, namespace)
    assert len(times) == count
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = burst + rate * (times[last] - times[first])
            assert last - first + 1 <= allowed + 3, "so much for calls that took unequally long to arrive"
    delete_issuer(bed, namespace)


class SlowVault(ForwardingVault):
    """Hands signing calls on after a while; ``most`` is how many were ever open at once."""

    def __init__(self, bed: Testbed, name: str) -> None:
        super().__init__(bed, name)
        self._lock = threading.Lock()
        self._open = 0
        self.most = 0

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer."""
        if "/sign/" not in path or b"BEGIN CERTIFICATE REQUEST" not in body:
            return self.relay(method, path, headers, body)
        with self._counted():
            time.sleep(0.2)
            return self.relay(method, path, headers, body)


@pytest.mark.parametrize(
    ("limit", "most"), [({"concurrent": 3}, 3), pytest.param({"perSecond": 1000}, IN_HAND, marks=LONGER)]
)
def test_no_more_calls_are_open_than_the_limit_or_the_flag_says(
    bed: Testbed, layout: PkiLayout, namespace: str, limit: dict[str, int], most: int
) -> None:
    with SlowVault(bed, namespace) as slow, controller(bed, None):
        limited(bed, layout, namespace, limit, server=slow.addr, caBundle=slow.ca_bundle)
        wait_ready(bed, namespace)
        create(bed, namespace, namespace, CALLS)
        for number in range(CALLS):
            wait_issued(bed, f"r{number}", namespace)
        assert slow.most == most
    delete_issuer(bed, namespace)


# Events ------------------------------------------------------------------------


@LONGER
@pytest.mark.usefixtures("swept")
def test_a_storm_of_denials_stays_within_the_budget_and_another_namespace_is_still_told(
    bed: Testbed, layout: PkiLayout, namespace: str, other: str
) -> None:
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    refused = csr_pem("elsewhere.example.org")
    policies = lab_policy("fair-lab"), *use_binding("fair-lab", [EVERYBODY])
    with only_policies(bed, *policies), controller(bed, None) as one:
        wait_ready(bed, namespace)
        started = time.monotonic()
        create(bed, namespace, namespace, DENIALS, refused)
        for number in range(DENIALS):
            wait_answer(bed, f"r{number}", namespace, "Denied", 120)
        assert metric(one, "vault_issuer_events_dropped_total") > 0, "the queue was never full"
        request(bed, "single", other, namespace, csr=refused)
        assert len(events(bed, other, "single", "Denied")) == 1
        told = bed.kube.list("events.k8s.io/v1", "Event", namespace)
        # EventBudget: 25 at once and one a second.
        assert 25 <= len(told) <= 25 + (time.monotonic() - started) + 1
