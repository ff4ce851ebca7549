"""One replica probes; what a process leaves behind goes; what the command sees without a controller."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.forking import run_command, vault_issuer
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout, setup_token
from tests.ca import TestCA, pem
from tests.integration.support.canaries import (
    NAME,
    QUICK,
    Probed,
    arguments,
    probing,
    requests,
    rights,
)
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    namespaced_issuer_with_token,
)
from tests.integration.support.sharding import replica, take_rights_back
from tests.integration.support.waiting import wait_until

PATIENT = ("--canary-period=600", "--canary-timeout=600")


@pytest.fixture
def issuer(bed: Testbed, layout: PkiLayout, namespace: str) -> Iterator[str]:
    """A cluster issuer of this test, whose canary may be asked in the test's namespace."""
    bed.kube.apply(rights(namespace))
    bed.kube.delete("coordination.k8s.io/v1", "Lease", "vault-issuer", SYSTEM_NAMESPACE)
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    yield namespace
    delete_issuer(bed, namespace)


def test_only_the_leader_probes_and_the_next_one_goes_on(bed: Testbed, issuer: str) -> None:
    args = arguments(issuer, issuer)
    with (
        ControllerProcess(bed, args, leader_elect=True) as first,
        ControllerProcess(bed, args, leader_elect=True) as second,
    ):
        leading, standing_by = Probed(first, issuer), Probed(second, issuer)
        leading.wait_success()
        assert standing_by.value("last_success_timestamp_seconds") is None
        assert standing_by.value("runs_total", result="success") is None
        assert "vault_issuer_canary_period_seconds 2.0" in second.metrics()
        assert first.stop() == 0
        standing_by.wait_success()


def test_a_namespaced_issuer_is_asked_in_its_own_namespace(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    bed.kube.apply(rights(namespace))
    grant_issuer_access(bed, namespace, secrets=["own-token"])
    namespaced_issuer_with_token(bed, "own", namespace, setup_token(bed.vault, layout.policy))
    which = f"VaultIssuer/{namespace}/own"
    with ControllerProcess(bed, [f"--canary={which}", f"--canary-dns-name={which}={NAME}", *QUICK]) as one:
        Probed(one, "own", namespace).wait_success()
        done = run_command("canary", which, f"--dns-name={NAME}", f"--kubeconfig={bed.kubeconfig}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f'CertificateRequest "{namespace}/canary-own-' in done.stdout
    delete_issuer(bed, "own", namespace)


def test_with_shards_one_replica_probes(bed: Testbed, issuer: str) -> None:
    args = arguments(issuer, issuer)
    with replica(bed, issuer, *args, shards=4) as first, replica(bed, issuer, *args, shards=4) as second:
        both = [Probed(first, issuer), Probed(second, issuer)]
        wait_until(lambda: sum(one.successes() for one in both) >= 3, "no canary had three successes")
        assert [one.value("runs_total", result="success") is None for one in both].count(True) == 1
    take_rights_back(bed)


def test_a_killed_processs_request_is_deleted_by_the_next(bed: Testbed, issuer: str) -> None:
    bed.vault.seal()
    try:
        with ControllerProcess(bed, arguments(issuer, issuer, *PATIENT)) as one:
            wait_until(lambda: requests(bed, issuer), "the canary made no request")
            one.kill()
        left = requests(bed, issuer)
        assert len(left) == 1
    finally:
        bed.vault.unseal()
    with ControllerProcess(bed, arguments(issuer, issuer)) as one:
        Probed(one, issuer).wait_success()
        assert left[0] not in requests(bed, issuer)


def test_a_stop_in_the_middle_of_a_run_leaves_nothing(bed: Testbed, issuer: str) -> None:
    bed.vault.seal()
    try:
        with ControllerProcess(bed, arguments(issuer, issuer, *PATIENT)) as one:
            wait_until(lambda: requests(bed, issuer), "the canary made no request")
            assert one.stop() == 0
        assert requests(bed, issuer) == []
    finally:
        bed.vault.unseal()


def test_the_command_finds_that_no_controller_runs(bed: Testbed, issuer: str) -> None:
    done = run_command(*probing(bed, issuer, issuer, "--timeout=2"))
    assert done.returncode == 1
    assert "stage controller broke" in done.stdout
    assert "no controller answered in 2 seconds" in done.stdout
    assert requests(bed, issuer) == []


def test_an_answer_under_another_ca_is_seen_by_who_names_the_right_one(
    bed: Testbed, issuer: str, layout: PkiLayout, tmp_path: Path
) -> None:
    root = tmp_path / "root.pem"
    root.write_text(layout.root_pem)
    running = subprocess.Popen(
        [vault_issuer(), *probing(bed, issuer, issuer, "--timeout=60", f"--ca-file={root}")],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: requests(bed, issuer), "the command made no request")
    answer(bed, issuer, requests(bed, issuer)[0])
    told, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "stage chain broke" in told
    assert "a CA that the canary trusts" in told


def answer(bed: Testbed, namespace: str, name: str) -> None:
    """Answer a request as whoever may write its status could: from a CA of one's own."""
    found = bed.kube.get(CERT_MANAGER, REQUEST, name, namespace)
    now = datetime.now(UTC)
    ca = TestCA.make(now)
    csr = base64.b64decode(found["spec"]["request"]).decode()
    ready = {"type": "Ready", "status": "True", "reason": "Issued", "message": "signed elsewhere"}
    leaf = ca.sign(csr, now=now, life=timedelta(hours=1)).leaf_pem + pem(ca.intermediate)
    found["status"] = {
        "certificate": base64.b64encode(leaf.encode()).decode(),
        "ca": base64.b64encode(pem(ca.root).encode()).decode(),
        "conditions": [{**ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    }
    bed.kube.replace(found, "status")


def test_a_users_rights_are_enough_for_the_command(bed: Testbed, issuer: str) -> None:
    """What the help says it takes: create, get and delete on requests."""
    group = "rbac.authorization.k8s.io"
    meta = {"name": "person", "namespace": issuer}
    verbs = ["create", "get", "delete"]
    rules = [{"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": verbs}]
    kubeconfig = bed.service_account_kubeconfig(issuer, "person")
    bed.kube.apply(
        [
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "person"},
                "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": issuer}],
            },
        ]
    )
    with ControllerProcess(bed, ["--issuer-check-period=1"]):
        bed.kube.wait(API_VERSION, "VaultClusterIssuer", issuer)
        done = run_command(*probing(bed, issuer, issuer), f"--kubeconfig={kubeconfig}")
    assert done.returncode == 0, done.stdout + done.stderr
