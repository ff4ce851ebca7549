"""Of several replicas one works; the next takes over when it stops, dies or freezes, and each signs once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.processes import PATIENCE
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_issuer,
    request,
    signed_csrs,
    wait_issued,
    wait_ready,
)

ISSUER = "leadership"
# A Lease lasts 15 seconds longer than a call: who takes over from the dead waits for 17 instead of 30.
SHORT_LEASE = ["--vault-timeout=2"]


@pytest.fixture
def replicas(bed: Testbed, layout: PkiLayout) -> Iterator[tuple[ControllerProcess, ControllerProcess]]:
    """Two replicas that compete for the Lease; the first one leads."""
    # One that a killed controller left would have to run out.
    bed.kube.delete("coordination.k8s.io/v1", "Lease", "vault-issuer", SYSTEM_NAMESPACE)
    cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
    with (
        ControllerProcess(bed, SHORT_LEASE, leader_elect=True) as first,
        ControllerProcess(bed, SHORT_LEASE, leader_elect=True) as second,
    ):
        wait_ready(bed, ISSUER)
        assert (leads(first), leads(second)) == (True, False)
        assert second.probe("readyz") == 200, "standing by is being ready"
        yield first, second
    delete_issuer(bed, ISSUER)


def leads(controller: ControllerProcess) -> bool:
    """Whether the process says that it leads."""
    return "vault_issuer_leader 1.0" in controller.metrics()


def wait_leads(controller: ControllerProcess, seconds: float = PATIENCE) -> None:
    """Wait until the process leads."""
    deadline = time.monotonic() + seconds
    while not leads(controller):
        assert time.monotonic() < deadline, "it never took over"
        time.sleep(0.2)


def holder(bed: Testbed) -> str:
    """Who holds the Lease."""
    lease = bed.kube.get("coordination.k8s.io/v1", "Lease", "vault-issuer", SYSTEM_NAMESPACE)
    return str(lease["spec"].get("holderIdentity", ""))


def test_a_graceful_stop_hands_over_at_once_and_signs_each_once(
    bed: Testbed, namespace: str, replicas: tuple[ControllerProcess, ControllerProcess]
) -> None:
    first, second = replicas
    before = Counter(signed_csrs(bed))
    names = [f"r{number}" for number in range(60)]
    for name in names[:30]:
        request(bed, name, namespace, ISSUER)
    first.terminate()
    for name in names[30:]:
        request(bed, name, namespace, ISSUER)
    for name in names:
        wait_issued(bed, name, namespace)
    assert first.stop() == 0
    assert leads(second)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == 60
    assert set(signed.values()) == {1}


def test_a_killed_leader_is_replaced_and_every_request_gets_one_result(
    bed: Testbed, namespace: str, replicas: tuple[ControllerProcess, ControllerProcess]
) -> None:
    first, second = replicas
    before = Counter(signed_csrs(bed))
    names = [f"r{number}" for number in range(40)]
    for name in names[:20]:
        request(bed, name, namespace, ISSUER)
    first.kill()
    for name in names[20:]:
        request(bed, name, namespace, ISSUER)
    wait_leads(second)
    for name in names:
        wait_issued(bed, name, namespace)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == 40
    # What was in flight at the moment of the kill may have been signed without being written; nothing else.
    assert sum(signed.values()) <= 40 + 20
    assert max(signed.values()) <= 2


def test_a_frozen_leader_does_not_work_on_when_it_thaws(
    bed: Testbed, namespace: str, replicas: tuple[ControllerProcess, ControllerProcess]
) -> None:
    first, second = replicas
    before = holder(bed)
    first.pause()
    wait_leads(second)
    first.resume()
    request(bed, "after", namespace, ISSUER)
    wait_issued(bed, "after", namespace)
    assert holder(bed) != before
    # It lost the Lease while it could not know, so it ends and a fresh one takes its place.
    deadline = time.monotonic() + PATIENCE
    while first.running:
        assert time.monotonic() < deadline, "it went on without the Lease"
        time.sleep(0.2)
    assert first.process.returncode == 1
