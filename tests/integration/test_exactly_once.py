"""A request is signed exactly once, whatever happens between signing and writing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from issuer.kube.wire import Object
from issuer.requests.request import RequestKey
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.cas_under_test import BY_OPENBAO, CAUnderTest
from tests.integration.support.common import (
    CERT_MANAGER,
    FIFTY_IN_FLIGHT,
    REQUEST,
    at_once,
    cluster_issuer_with_token,
    delete_issuer,
    ready,
    request,
    revocations,
    set_condition,
    wait_answer,
    wait_in_flight,
    wait_issued,
    wait_ready,
    webhook_validation_withdrawn,
)
from tests.integration.support.inprocess import Running, controller_with_fault, until


@asynccontextmanager
async def validation_withdrawn(bed: Testbed) -> AsyncIterator[None]:
    """While inside, cert-manager's webhook does not validate."""
    with webhook_validation_withdrawn(bed):
        yield


async def test_a_request_deleted_between_signing_and_writing_has_its_certificate_revoked(
    bed: Testbed, ca: CAUnderTest, namespace: str
) -> None:
    def delete(body: Object) -> None:
        bed.kube.delete(CERT_MANAGER, REQUEST, body["metadata"]["name"], namespace)

    before, revoked = len(ca.signed()), ca.revocations()
    async with controller_with_fault(bed, delete) as running:
        ca.issuer("deleted")
        await asyncio.to_thread(ca.wait, "deleted")
        ca.request("gone", namespace, "deleted")
        await until(lambda: ca.revocations() == revoked + 1, "the certificate is revoked")
        await until(lambda: sample(running, cause="deleted", revoked="true") == 1, "it is told")
        await until(lambda: len(running.manager.components.delivery.held) == 0, "nothing is held")
    assert len(ca.signed()) == before + 1
    ca.delete("deleted")


async def test_where_vault_refuses_to_revoke_the_serial_is_logged(
    bed: Testbed, layout: PkiLayout, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def delete(body: Object) -> None:
        bed.kube.delete(CERT_MANAGER, REQUEST, body["metadata"]["name"], namespace)

    bed.vault.call(
        "PUT",
        "sys/policies/acl/only-sign",
        {"policy": f'path "{layout.sign_path}" {{ capabilities = ["update"] }}'},
    )
    revoked = revocations(bed)
    async with controller_with_fault(bed, delete) as running:
        cluster_issuer_with_token(bed, "no-revoke", setup_token(bed.vault, "only-sign"))
        await asyncio.to_thread(wait_ready, bed, "no-revoke")
        request(bed, "gone", namespace, "no-revoke")
        await until(lambda: sample(running, cause="deleted", revoked="false") == 1, "it is discarded")
        issuer = wait_ready(bed, "no-revoke")
    assert ready(issuer)["status"] == "True", "a refused revocation must not break the issuer"
    assert revocations(bed) == revoked
    told = "".join(capsys.readouterr())
    assert "certificate not delivered" in told
    assert "serial" in told
    assert "RevocationNotPermitted" in told
    delete_issuer(bed, "no-revoke")


async def test_a_request_denied_between_signing_and_writing_is_revoked_and_answered_as_denied(
    bed: Testbed, ca: CAUnderTest, namespace: str
) -> None:
    def deny(body: Object) -> None:
        set_condition(bed, body["metadata"]["name"], namespace, "Denied")

    before, revoked = len(ca.signed()), ca.revocations()
    # cert-manager's webhook forbids Denied beside Approved; on a cluster without it both can be set.
    async with validation_withdrawn(bed), controller_with_fault(bed, deny):
        ca.issuer("denied")
        await asyncio.to_thread(ca.wait, "denied")
        ca.request("refused", namespace, "denied")
        answer = await asyncio.to_thread(wait_answer, bed, "refused", namespace, "Denied")
    assert "certificate" not in answer["status"]
    assert answer["status"]["failureTime"]
    assert ca.revocations() == revoked + 1
    assert len(ca.signed()) == before + 1
    ca.delete("denied")


@pytest.mark.parametrize("ca", BY_OPENBAO, indirect=True)
async def test_a_signed_certificate_waits_for_an_api_server_that_went_away(
    bed: Testbed, ca: CAUnderTest, namespace: str
) -> None:
    before = len(ca.signed())
    async with controller_with_fault(bed, lambda _body: bed.stop_apiserver()) as running:
        ca.issuer("patient")
        await asyncio.to_thread(ca.wait, "patient")
        ca.request("late", namespace, "patient")
        held = running.manager.components.delivery.held
        await until(lambda: held.get(RequestKey(namespace, "late")) is not None, "it is signed and held")
        await asyncio.sleep(1)
        await asyncio.to_thread(bed.start_apiserver)
        await asyncio.to_thread(wait_issued, bed, "late", namespace)
    assert len(ca.signed()) == before + 1
    ca.delete("patient")


def test_sigterm_with_many_in_flight_signs_each_once(bed: Testbed, ca: CAUnderTest, namespace: str) -> None:
    count = ca.sized(50)
    names, frozen = [f"flight-{number}" for number in range(count)], ca.outages["frozen"]
    before = Counter(ca.signed())
    with ControllerProcess(bed, FIFTY_IN_FLIGHT) as controller:
        ca.issuer("flight")
        ca.wait("flight")
        frozen.begin()
        try:
            at_once(lambda name: ca.request(name, namespace, "flight"), names)
            wait_in_flight(controller, count)
            controller.terminate()
        finally:
            frozen.end()
        assert controller.stop() == 0
        answered = [bed.kube.get(CERT_MANAGER, REQUEST, name, namespace) for name in names]
        assert [ready(one).get("reason") for one in answered] == ["Issued"] * count
    with ControllerProcess(bed):
        ca.request("after", namespace, "flight")
        wait_issued(bed, "after", namespace)
    signed = Counter(ca.signed()) - before
    assert len(signed) == count + 1
    assert set(signed.values()) == {1}
    ca.delete("flight")


def test_a_denied_request_is_failed_as_cert_managers_contract_asks(
    bed: Testbed, ca: CAUnderTest, namespace: str
) -> None:
    with ControllerProcess(bed):
        ca.issuer("refusing", approval="External")
        ca.wait("refusing")
        before = len(ca.signed())
        ca.request("unwanted", namespace, "refusing")
        set_condition(bed, "unwanted", namespace, "Denied")
        answer = wait_answer(bed, "unwanted", namespace, "Denied")
        assert ready(answer)["status"] == "False"
        assert answer["status"]["failureTime"]
        assert len(ca.signed()) == before
        ca.delete("refusing")


def sample(running: Running, **labels: str) -> float | None:
    """The count of discarded certificates with these labels."""
    name = "vault_issuer_certificates_discarded_total"
    return running.manager.components.metrics.registry.get_sample_value(name, labels)
