"""A request that waits or is denied says so by an event, on itself and on the Certificate that it is for."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.controller.state.watched.kept import slim_request
from issuer.requests.certificate_request import CertificateRequest
from testbed.samples import policy
from tests.builders import certificate_request
from tests.unit.controller.bench import Bench, with_meta

OWNER: dict[str, Any] = {
    "apiVersion": "cert-manager.io/v1",
    "kind": "Certificate",
    "name": "web",
    "uid": "uid-of-web",
    "controller": True,
    "blockOwnerDeletion": True,
}


def owned(*owners: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A CertificateRequest with these owners."""
    obj = certificate_request(**more)
    obj["metadata"]["ownerReferences"] = list(owners)
    return obj


async def test_a_waiting_request_says_so_on_its_certificate_too(bench: Bench) -> None:
    bench.store.upsert(owned({**OWNER, "controller": False, "name": "other"}, OWNER))
    bench.kube.accepts_status()
    await bench.reconcile()
    (on_certificate, on_request) = bench.recorder.events
    assert on_certificate[:2] == ("Certificate", "Pending")
    assert on_certificate[2].startswith('CertificateRequest "one" is waiting: ')
    assert on_request == ("CertificateRequest", "Pending", bench.ready["message"])
    await bench.reconcile()
    assert len(bench.recorder.events) == 2, "the same reason is no news"


async def test_a_request_of_no_certificate_has_its_own_event_alone(bench: Bench) -> None:
    bench.with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert [kind for kind, *_ in bench.recorder.events] == ["CertificateRequest"]


async def test_a_denied_request_says_so_on_its_certificate_too(bench: Bench) -> None:
    bench.policies.drop("everything")
    bench.policies.upsert(with_meta(policy("strict", {"commonName": {"value": "none"}})))
    bench.with_ready_issuer()
    bench.store.upsert(owned(OWNER))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Denied"
    assert [event[:2] for event in bench.recorder.events] == [
        ("Warning", "Denied"),
        ("Certificate", "Denied"),
    ]
    assert bench.recorder.events[1][2].startswith('CertificateRequest "one" was denied: ')


@pytest.mark.parametrize(
    "owner",
    [
        {**OWNER, "name": "x" * 254},
        {**OWNER, "name": "No Name\n"},
        {**OWNER, "uid": "x" * 100_000},
        {**OWNER, "apiVersion": "apps/v1"},
        {**OWNER, "kind": "Deployment"},
        {**OWNER, "controller": False},
        {},
    ],
)
def test_what_no_certificate_can_be_is_none(owner: dict[str, Any]) -> None:
    assert CertificateRequest(owned(owner)).certificate is None


def test_of_the_owners_the_certificate_is_kept() -> None:
    kept = slim_request(CertificateRequest(owned({**OWNER, "kind": "Other"}, OWNER)))
    (owner,) = kept.object["metadata"]["ownerReferences"]
    assert owner == {key: value for key, value in OWNER.items() if key != "blockOwnerDeletion"}
    assert kept.certificate == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "team-a", "uid": "uid-of-web"},
    }
