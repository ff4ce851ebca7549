"""The life of a release, in this order: installed, used, disturbed, upgraded, measured, uninstalled."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from issuer.api.crd import custom_resource_definitions
from testbed.chart import RELEASE
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.delivered import Delivered
from testbed.errors import HTTPError
from testbed.kube import Object, condition
from testbed.samples import API_VERSION, certificate
from tests.e2e import pods
from tests.e2e.arrivals import API, Arrivals
from tests.e2e.cluster import ISSUER, NAMESPACE, Cluster, names_of, tag
from tests.e2e.measuring import Usage, first_certificate, usage
from tests.integration.support.renewal import renew
from tests.integration.support.waiting import wait_until
from tests.sizes import LONGER

WEB = "web"
HOST = f"{WEB}.{NAMESPACE}.svc"
IDLE_SECONDS = 25.0
SELDOM = 0.5
"""Seconds between requests where half a minute has to pass: until a Lease runs out, or a node is Unknown."""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Cluster]:
    """The chart installed with every value left alone, an issuer and a policy; uninstalled in the end."""
    cluster.release()
    cluster.furnish()
    yield cluster
    cluster.uninstall()


def test_both_replicas_are_ready_where_restricted_is_enforced(release: Cluster) -> None:
    def ready() -> list[str]:
        found = [condition(pod, "Ready") or {} for pod in release.replicas()]
        return [one["status"] for one in found if one]

    # `helm --wait` saw both; on a busy node one may just have missed a probe or two again.
    wait_until(lambda: ready() == ["True", "True"], lambda: str(ready()))
    for pod in release.replicas():
        assert pod["spec"]["containers"][0]["image"].endswith(release.settings.image)
    open_pod = {"containers": [{"name": "any", "image": release.settings.image}]}
    meta = {"name": "privileged", "namespace": SYSTEM_NAMESPACE}
    with pytest.raises(HTTPError, match="violates PodSecurity") as refused:
        release.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": open_pod})
    assert refused.value.status == 403


def test_a_workload_serves_its_certificate_and_the_renewed_one_verified_to_the_root(
    release: Cluster,
) -> None:
    release.kube.apply([certificate(WEB, NAMESPACE, ISSUER, [HOST]), pods.root_config_map(release.layout)])
    release.kube.wait(API, "Certificate", WEB, NAMESPACE, timeout=60)
    first = _served(release)
    release.kube.create(pods.server(WEB, release.settings.image, f"{WEB}-tls")[1])
    release.kube.create(pods.server(WEB, release.settings.image, f"{WEB}-tls")[0])
    _dial(release, "dial-first", first.leaf.serial_number)

    renew(release.kube, WEB, NAMESPACE)
    release.kube.wait(API, "Certificate", WEB, NAMESPACE, until=_revision(2), timeout=60)
    second = _served(release)
    assert second.leaf.serial_number != first.leaf.serial_number
    _dial(release, "dial-renewed", second.leaf.serial_number)


def test_helm_test_says_that_it_works(release: Cluster) -> None:
    assert "Succeeded" in release.helm("test", RELEASE, "--timeout=2m")


def test_no_request_is_lost_when_the_leader_is_killed(release: Cluster, measured: dict[str, float]) -> None:
    if release.settings.kill is None:
        pytest.skip("the settings have no command that kills a container")
    holder, leader = release.holder(), release.leader()
    assert leader
    pod = release.kube.get("v1", "Pod", leader, SYSTEM_NAMESPACE)
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    with Arrivals(release, every=SELDOM) as arrivals:
        arrivals.wait(4)
        subprocess.run([*release.settings.kill, container], check=True)
        wait_until(lambda: release.holder() not in ("", holder), "another process leads")
        arrivals.wait(8)
    measured["leader_killed_longest_s"] = arrivals.finish()
    assert sum(_restarts(one) for one in _all_ready(release, 2)) == 1


@LONGER
def test_no_request_is_lost_when_the_leader_is_deleted(release: Cluster, measured: dict[str, float]) -> None:
    leader = release.leader()
    assert leader
    with Arrivals(release) as arrivals:
        arrivals.wait(4)
        release.kubectl(
            "delete", "pod", leader, f"--namespace={SYSTEM_NAMESPACE}", "--grace-period=0", "--force"
        )
        wait_until(lambda: release.leader() not in ("", leader), "another replica leads")
        arrivals.wait(8)
    measured["leader_deleted_longest_s"] = arrivals.finish()
    _all_ready(release, 2)


def test_no_request_is_lost_and_none_signed_twice_when_image_and_values_change(
    release: Cluster, measured: dict[str, float]
) -> None:
    before = release.signed()
    with Arrivals(release) as arrivals:
        arrivals.wait(4)
        release.release(
            tag(release.settings.next_image), "--set=controller.workers=16", "--set=replicaCount=3"
        )
        arrivals.wait(4)
    measured["upgrade_longest_s"] = arrivals.finish()
    assert release.signed() - before == len(arrivals.made)
    images = {pod["spec"]["containers"][0]["image"] for pod in _all_ready(release, 3)}
    assert {one.rpartition("/")[2] for one in images} == {release.settings.next_image}


@LONGER
def test_requests_are_signed_while_kubelet_is_stopped_and_pods_go_on(
    release: Cluster, measured: dict[str, float]
) -> None:
    kubelet = release.settings.kubelet
    if kubelet is None:
        pytest.skip("the settings have no command that stops kubelet")
    before = {one["metadata"]["uid"]: _restarts(one) for one in release.replicas()}
    with Arrivals(release, every=SELDOM) as arrivals:
        arrivals.wait(4)
        subprocess.run(kubelet.stop, check=True)
        try:
            wait_until(lambda: _node_is(release, "Unknown"), "the node is not Ready")
            arrivals.wait(20)
        finally:
            subprocess.run(kubelet.start, check=True)
        wait_until(lambda: _node_is(release, "True"), "the node is Ready again")
        arrivals.wait(4)
    measured["kubelet_stopped_longest_s"] = arrivals.finish()
    after = {one["metadata"]["uid"]: _restarts(one) for one in _all_ready(release, 3)}
    assert after == before


@LONGER
def test_start_and_idle_replicas_cost_what_is_told(release: Cluster, measured: dict[str, float]) -> None:
    if release.settings.image_megabytes is not None:
        measured["image_added_mb"], measured["image_added_gzip_mb"] = release.settings.image_megabytes
    measured["ready_s"], measured["first_certificate_s"] = first_certificate(release)
    release.release()
    _all_ready(release, 2)
    wait_until(lambda: release.leader() != "", "a replica leads")
    idle = usage(release, IDLE_SECONDS)
    leader = release.leader()
    standby = next(name for name in idle if name != leader)
    for role, name in (("leader", leader), ("standby", standby)):
        found: Usage = idle[name]
        measured[f"idle_{role}_cpu_percent"] = found.cpu_percent
        measured[f"idle_{role}_memory_mb"] = found.memory_mb
        assert 0 < found.memory_mb < 512, "the chart's limit"


def test_uninstall_leaves_crds_issuers_and_certificates(release: Cluster) -> None:
    release.uninstall()
    assert names_of(release.replicas()) == []
    assert len(release.crds()) == len(custom_resource_definitions())
    release.kube.get(API_VERSION, "VaultClusterIssuer", ISSUER)
    assert release.kube.get(API, "Certificate", WEB, NAMESPACE)
    assert _served(release).key_matches


def _served(release: Cluster) -> Delivered:
    secret = release.kube.get("v1", "Secret", f"{WEB}-tls", NAMESPACE)
    found = Delivered.from_secret(secret)
    assert found.key_matches
    return found


def _dial(release: Cluster, name: str, serial: int) -> None:
    release.kube.create(pods.client(name, release.settings.image, HOST, serial))
    ended = release.kube.wait("v1", "Pod", name, NAMESPACE, until=_ended, timeout=180)
    log = release.kubectl("logs", name, f"--namespace={NAMESPACE}")
    assert ended["status"]["phase"] == "Succeeded", log


def _ended(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _revision(number: int) -> Callable[[Object], bool]:
    def reached(found: Object) -> bool:
        ready = condition(found, "Ready") or {}
        return found["status"].get("revision") == number and ready.get("status") == "True"

    return reached


def _all_ready(release: Cluster, count: int) -> list[Object]:
    def holds() -> bool:
        found = release.replicas()
        return len(found) == count and all(
            (condition(one, "Ready") or {}).get("status") == "True" for one in found
        )

    wait_until(holds, f"{count} replicas are Ready")
    return release.replicas()


def _node_is(release: Cluster, ready: str) -> bool:
    """The Ready condition of the node whose kubelet the settings stop."""
    (node,) = release.kube.list("v1", "Node")
    return bool((condition(node, "Ready") or {}).get("status") == ready)


def _restarts(pod: Object) -> int:
    return sum(int(one["restartCount"]) for one in pod["status"]["containerStatuses"])
