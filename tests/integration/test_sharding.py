"""Replicas share the work: each request has one owner at a time, while replicas come, go, die and freeze."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from testbed.cluster import Testbed
from testbed.vaultpki import PkiLayout
from tests.integration.support.cas_under_test import CAUnderTest
from tests.integration.support.common import (
    revocations,
    signed_csrs,
    wait_ready,
    webhook_validation_withdrawn,
)
from tests.integration.support.sharding import (
    SHARDS,
    SHORT_LEASES,
    create,
    issued,
    leases,
    owned,
    replica,
    replicas,
    signing_issuer,
    take_rights_back,
    value,
    wait_all_issued,
    wait_shared,
)
from tests.integration.support.waiting import wait_until
from tests.sizes import FULL, LONGER, sized

pytestmark = pytest.mark.usefixtures("many_requests")
ISSUER = "shared"
DIVIDED = sized(120, 60)
DURATION = 30
"""Seconds that a Lease lasts by default."""


@pytest.fixture(autouse=True, scope="module")
def _rights(bed: Testbed) -> Iterator[None]:
    yield
    take_rights_back(bed)


@pytest.fixture
def issuer(bed: Testbed, layout: PkiLayout) -> Iterator[str]:
    """An issuer that signs."""
    with signing_issuer(bed, layout, ISSUER) as name:
        yield name


@pytest.fixture
def unvalidated(bed: Testbed) -> Iterator[None]:
    """cert-manager's webhook does not validate. It asks the API server 5 times a second at most whether a
    writer may approve, and keeps an answer for a second: several writers would wait for that alone."""
    with webhook_validation_withdrawn(bed):
        yield


def main_lease(bed: Testbed, group: str) -> str:
    """What the main Lease says of shards."""
    return str(
        (leases(bed, group)[""]["metadata"].get("annotations") or {}).get("vault-issuer.io/shards", "")
    )


class Load:
    """Requests that keep coming until ``stop``: ten each second in CI, each half in full size."""

    def __init__(self, bed: Testbed, namespace: str, issuer: str) -> None:
        self.count = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bed, namespace, issuer))

    def _run(self, bed: Testbed, namespace: str, issuer: str) -> None:
        while not self._ended.is_set():
            create(bed, namespace, issuer, [f"load-{self.count + number}" for number in range(10)])
            self.count += 10
            self._ended.wait(0.5 if FULL else 1.0)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.mark.parametrize(
    ("ca", "count"), [("openbao", 4), pytest.param("step-ca", 2, marks=LONGER)], indirect=["ca"]
)
def test_the_work_is_divided_and_each_request_signed_once(
    bed: Testbed, namespace: str, ca: CAUnderTest, count: int
) -> None:
    before = Counter(ca.signed())
    ca.issuer(ISSUER)
    with replicas(bed, f"divided-{count}", count) as running:
        ca.wait(ISSUER)
        create(bed, namespace, ISSUER, [f"r{number}" for number in range(DIVIDED)], ca.kind)
        wait_all_issued(bed, namespace, DIVIDED)
        shares = [issued(one) for one in running]
    ca.delete(ISSUER)
    signed = Counter(ca.signed()) - before
    assert len(signed) == sum(signed.values()) == DIVIDED
    assert sum(shares) == DIVIDED
    assert min(shares) >= DIVIDED // count // 3, f"it was not divided: {shares}"
    found = leases(bed, f"divided-{count}")
    assert [name for name in found if name.startswith("member")] == [], "they left their names"
    holders = {name: one["spec"].get("holderIdentity") for name, one in found.items()}
    assert not any(holders.values()), f"not all is given back: {holders}"


@LONGER
@pytest.mark.usefixtures("unvalidated")
def test_replicas_come_and_go_under_load_and_each_request_is_signed_once(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    before = Counter(signed_csrs(bed))
    with replicas(bed, "moving", 2) as running:
        wait_ready(bed, issuer)
        with Load(bed, namespace, issuer) as load:
            wait_until(lambda: load.count >= 40, "there is load")
            with replica(bed, "moving") as third, replica(bed, "moving") as fourth:
                wait_shared([*running, third, fourth])
                working = load.count
                wait_until(lambda: load.count >= working + 60, "there is load for four")
                assert min(issued(third), issued(fourth)) > 0
                assert running[0].stop() == 0
                wait_shared([running[1], third, fourth])
                assert (third.stop(), fourth.stop()) == (0, 0)
                wait_shared(running[1:])
                working = load.count
                wait_until(lambda: load.count >= working + 20, "there is load for one")
        wait_all_issued(bed, namespace, load.count)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == load.count
    assert set(signed.values()) == {1}


@LONGER
@pytest.mark.usefixtures("unvalidated")
def test_a_killed_replica_costs_no_more_than_what_it_had_in_flight(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    before = Counter(signed_csrs(bed))
    with (
        replica(bed, "killed", "--workers=8", *SHORT_LEASES) as first,
        replica(bed, "killed", "--workers=8") as second,
    ):
        wait_shared([first, second])
        wait_ready(bed, issuer)
        with Load(bed, namespace, issuer) as load:
            wait_until(lambda: load.count >= 40, "there is load")
            first.kill()
            wait_shared([second])
            working = load.count
            wait_until(lambda: load.count >= working + 20, "there is load for one")
        wait_all_issued(bed, namespace, load.count)
        assert value(second, 'vault_issuer_shard_handovers_total{how="taken_over"}') == SHARDS // 2
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == load.count
    assert max(signed.values()) <= 2
    assert sum(signed.values()) <= load.count + 8, "more was signed again than its workers could have in hand"


@pytest.mark.usefixtures("unvalidated")
def test_a_frozen_replica_ends_when_it_thaws_and_costs_no_more_than_what_it_had_in_flight(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    before, revoked = Counter(signed_csrs(bed)), revocations(bed)
    with (
        replica(bed, "frozen", "--workers=8", *SHORT_LEASES) as first,
        replica(bed, "frozen", "--workers=8") as second,
    ):
        wait_shared([first, second])
        wait_ready(bed, issuer)
        with Load(bed, namespace, issuer) as load:
            wait_until(lambda: load.count >= 40, "there is load")
            first.pause()
            wait_shared([second])
            first.resume()
            wait_until(lambda: not first.running, "it ends")
            assert first.process.returncode == 1
        wait_all_issued(bed, namespace, load.count)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == load.count
    assert max(signed.values()) <= 2
    twice = sum(signed.values()) - load.count
    assert revocations(bed) - revoked <= twice <= 8


def test_replicas_with_another_number_of_shards_wait_until_the_others_have_ended(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    before = Counter(signed_csrs(bed))
    with replicas(bed, "renumbered", 1) as (old,), replica(bed, "renumbered", shards=3) as new:
        wait_ready(bed, issuer)
        create(bed, namespace, issuer, [f"old-{number}" for number in range(20)])
        wait_all_issued(bed, namespace, 20)
        assert (owned(old), owned(new)) == (SHARDS, 0)
        assert new.probe("readyz") == 200, "waiting is being ready: a roll-out goes on"
        assert old.stop() == 0
        wait_shared([new], shards=3)
        create(bed, namespace, issuer, [f"new-{number}" for number in range(20)])
        wait_all_issued(bed, namespace, 40)
        shards = [name for name in leases(bed, "renumbered") if name.startswith("shard")]
        assert sorted(shards) == ["shard-0", "shard-1", "shard-2"]
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == sum(signed.values()) == 40


@LONGER
def test_a_single_leader_and_replicas_that_share_never_work_at_once(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    before = Counter(signed_csrs(bed))
    with replicas(bed, "modes", 1) as (sharing,), replica(bed, "modes", *SHORT_LEASES, shards=0) as alone:
        wait_ready(bed, issuer)
        create(bed, namespace, issuer, ["shared"])
        wait_all_issued(bed, namespace, 1)
        began = time.monotonic()
        assert sharing.stop() == 0
        wait_until(lambda: main_lease(bed, "modes") == "ending", "it leads, and waits")
        with replica(bed, "modes") as again:
            create(bed, namespace, issuer, ["alone"])
            wait_all_issued(bed, namespace, 2)
            assert time.monotonic() - began > DURATION, "it waited longer than any Lease lasts"
            assert (owned(again), value(alone, "vault_issuer_leader")) == (0, 1)
            assert alone.stop() == 0
            wait_shared([again])
            create(bed, namespace, issuer, ["again"])
            wait_all_issued(bed, namespace, 3)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == sum(signed.values()) == 3
