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
from tests.integration.support.common import (
    CERT_MANAGER,
    FIFTY_IN_FLIGHT,
    REQUEST,
    at_once,
    cluster_issuer_with_token,
    delete_issuer,
    only_policies,
    ready,
    request,
    revocations,
    set_condition,
    signed_csrs,
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
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    def delete(body: Object) -> None:
        bed.kube.delete(CERT_MANAGER, REQUEST, body["metadata"]["name"], namespace)

    before, revoked = len(signed_csrs(bed)), revocations(bed)
    async with controller_with_fault(bed, delete) as running:
        cluster_issuer_with_token(bed, "deleted", setup_token(bed.vault, layout.policy))
        await asyncio.to_thread(wait_ready, bed, "deleted")
        request(bed, "gone", namespace, "deleted")
        await until(lambda: revocations(bed) == revoked + 1, "the certificate is revoked")
        await until(lambda: sample(running, cause="deleted", revoked="true") == 1, "it is told")
        await until(lambda: len(running.manager.components.delivery) == 0, "nothing is held")
    assert len(signed_csrs(bed)) == before + 1
    delete_issuer(bed, "deleted")


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
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    def deny(body: Object) -> None:
        set_condition(bed, body["metadata"]["name"], namespace, "Denied")

    before, revoked = len(signed_csrs(bed)), revocations(bed)
    # cert-manager's webhook forbids Denied beside Approved; on a cluster without it both can be set.
    async with validation_withdrawn(bed), controller_with_fault(bed, deny):
        cluster_issuer_with_token(bed, "denied", setup_token(bed.vault, layout.policy))
        await asyncio.to_thread(wait_ready, bed, "denied")
        request(bed, "refused", namespace, "denied")
        answer = await asyncio.to_thread(wait_answer, bed, "refused", namespace, "Denied")
    assert "certificate" not in answer["status"]
    assert answer["status"]["failureTime"]
    assert revocations(bed) == revoked + 1
    assert len(signed_csrs(bed)) == before + 1
    delete_issuer(bed, "denied")


async def test_a_signed_certificate_waits_for_an_api_server_that_went_away(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    before = len(signed_csrs(bed))
    async with controller_with_fault(bed, lambda _body: bed.stop_apiserver()) as running:
        cluster_issuer_with_token(bed, "patient", setup_token(bed.vault, layout.policy))
        await asyncio.to_thread(wait_ready, bed, "patient")
        request(bed, "late", namespace, "patient")
        held = running.manager.components.delivery
        await until(lambda: held.pending(RequestKey(namespace, "late")) is not None, "it is signed and held")
        await asyncio.sleep(1)
        await asyncio.to_thread(bed.start_apiserver)
        await asyncio.to_thread(wait_issued, bed, "late", namespace)
    assert len(signed_csrs(bed)) == before + 1
    delete_issuer(bed, "patient")


def test_sigterm_with_fifty_in_flight_signs_each_once(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    names = [f"flight-{number}" for number in range(50)]
    before = Counter(signed_csrs(bed))
    with ControllerProcess(bed, FIFTY_IN_FLIGHT) as controller:
        cluster_issuer_with_token(bed, "flight", setup_token(bed.vault, layout.policy))
        wait_ready(bed, "flight")
        bed.vault.pause()
        try:
            at_once(lambda name: request(bed, name, namespace, "flight"), names)
            wait_in_flight(controller, 50)
            controller.terminate()
        finally:
            bed.vault.resume()
        assert controller.stop() == 0
        answered = [bed.kube.get(CERT_MANAGER, REQUEST, name, namespace) for name in names]
        assert [ready(one).get("reason") for one in answered] == ["Issued"] * 50
    with ControllerProcess(bed):
        request(bed, "after", namespace, "flight")
        wait_issued(bed, "after", namespace)
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == 51
    assert set(signed.values()) == {1}
    delete_issuer(bed, "flight")


def test_a_denied_request_is_failed_as_cert_managers_contract_asks(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    with only_policies(bed), ControllerProcess(bed):
        cluster_issuer_with_token(bed, "refusing", setup_token(bed.vault, layout.policy))
        wait_ready(bed, "refusing")
        before = len(signed_csrs(bed))
        request(bed, "unwanted", namespace, "refusing")
        set_condition(bed, "unwanted", namespace, "Denied")
        answer = wait_answer(bed, "unwanted", namespace, "Denied")
        assert ready(answer)["status"] == "False"
        assert answer["status"]["failureTime"]
        assert len(signed_csrs(bed)) == before
        delete_issuer(bed, "refusing")


def sample(running: Running, **labels: str) -> float | None:
    """The count of discarded certificates with these labels."""
    name = "vault_issuer_certificates_discarded_total"
    return running.manager.components.metrics.registry.get_sample_value(name, labels)
