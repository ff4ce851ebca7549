"""What somebody writes into objects is not what the controller keeps of them, and is not lost by that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    request_object,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.signing_requests import (
    CERTIFICATES,
    CLUSTER,
    CSR,
    decide,
    signing_request,
    wait_signed,
)
from tests.integration.support.waiting import wait_until
from tests.sizes import sized

pytestmark = pytest.mark.usefixtures("many_requests")
COUNT, FAT = sized(80, 48), 250_000
ALL = COUNT * FAT / (1 << 20)
"""MiB of annotations in all."""

KEEP = "example.test/keep"
META: dict[str, Any] = {
    "labels": {"team": "x"},
    "annotations": {"note": "y" * 100_000},
    "finalizers": [KEEP],
}


def memory(one: ControllerProcess, field: str) -> float:
    """MiB of the controller's VmRSS now, or VmHWM: the most it ever was."""
    lines = Path(f"/proc/{one.pid}/status").read_text(encoding="utf-8").splitlines()
    (found,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(found.split()[1]) / 1024


def series(one: ControllerProcess, name: str) -> float:
    """A metric without labels."""
    (found,) = (line for line in one.metrics().splitlines() if line.startswith(f"{name} "))
    return float(found.split()[1])


@pytest.fixture
def fat(bed: Testbed, namespace: str) -> Iterator[Object]:
    """Makes requests with annotations of 250 KB, for an issuer that isn't there."""
    made = request_object("r", namespace, "not-there", csr=csr_pem(f"fat.{DOMAIN}"))
    yield {**made, "metadata": {**made["metadata"], "annotations": {"a": "x" * FAT}}}
    # One by one: the answer to a deletion of all of them holds them all.
    for number in range(COUNT):
        bed.kube.delete(CERT_MANAGER, REQUEST, f"r{number}", namespace)


def test_fat_requests_cost_what_is_read_of_them_also_after_a_restart(
    bed: Testbed, fat: Object, capsys: pytest.CaptureFixture[str]
) -> None:
    one = ControllerProcess(bed, ["--issuer-check-period=600"])
    with one:
        before = memory(one, "VmHWM")
        with ThreadPoolExecutor(4) as pool:
            names = (f"r{number}" for number in range(COUNT))
            list(
                pool.map(
                    lambda name: bed.kube.create({**fat, "metadata": {**fat["metadata"], "name": name}}),
                    names,
                )
            )
        namespace = fat["metadata"]["namespace"]
        for number in range(COUNT):
            wait_answer(bed, f"r{number}", namespace, "Pending")
        grown = memory(one, "VmRSS") - before
    with one:
        wait_until(lambda: series(one, "vault_issuer_requests_open") >= COUNT, "it knows all of them again")
        again = memory(one, "VmHWM") - before
        kept = series(one, "vault_issuer_requests_open_bytes")
    with capsys.disabled():
        print(
            f"\n  {ALL:.0f} MiB of annotations: {grown:.0f} MiB more, {again:.0f} MiB at most when it starts"
        )
    assert kept < 0.1 * ALL * (1 << 20)
    assert grown < 0.5 * ALL
    assert again < 0.7 * ALL


def test_what_is_not_kept_is_not_lost(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    ours = request_object("one", namespace, namespace)
    theirs = signing_request(namespace, f"{CLUSTER}/{namespace}")
    for obj in (ours, theirs):
        obj["metadata"] |= META
        bed.kube.create(obj)
    with ControllerProcess(bed):
        wait_ready(bed, namespace)
        decide(bed, namespace)
        wait_signed(bed, namespace)
        wait_issued(bed, "one", namespace)
    for api, kind, name, home in (
        (CERT_MANAGER, REQUEST, "one", namespace),
        (CERTIFICATES, CSR, namespace, None),
    ):
        found = bed.kube.get(api, kind, name, home)["metadata"]
        assert {field: found[field] for field in META} == META, kind
        bed.kube.patch(api, kind, name, {"metadata": {"finalizers": None}}, home)
    delete_issuer(bed, namespace)
