"""Certificates that the API server doesn't take: who is held up by them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from issuer.controller.delivery.refused_writes import MOST_REFUSED
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import HTTPError
from testbed.kube import Object
from testbed.samples import vault_cluster_issuer
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    at_once,
    cluster_issuer_with_token,
    delete_issuer,
    events,
    ready,
    request,
    request_object,
    revocations,
    secret,
    signed_csrs,
    token_auth,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.refusing import REFUSING, certificates_refused
from tests.integration.support.waiting import wait_until
from tests.sizes import LONGER

ISSUER = "refused-writes"
ETCD_TAKES = 1_572_864


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller and one issuer that everybody shares."""
    with ControllerProcess(bed, [f"--issuer-concurrency={2 * MOST_REFUSED}"]) as one:
        cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
        wait_ready(bed, ISSUER)
        yield one
        delete_issuer(bed, ISSUER)


def test_a_namespace_whose_statuses_are_refused_holds_up_no_other(bed: Testbed, namespace: str) -> None:
    elsewhere = bed.create_namespace("never-refused")
    before = len(signed_csrs(bed))
    refused = [f"refused-{number}" for number in range(MOST_REFUSED)]
    with certificates_refused(bed, namespace):
        at_once(lambda name: request(bed, name, namespace, ISSUER), refused)
        for name in refused:
            message = ready(wait_answer(bed, name, namespace, "Pending"))["message"]
            assert "the API server refuses its status" in message
            assert events(bed, namespace, name, "StatusWriteRefused")
        request(bed, "next", namespace, ISSUER)
        message = ready(wait_answer(bed, "next", namespace, "Pending"))["message"]
        assert "StatusWriteRefused" in message
        assert f"{namespace}/{refused[0]}" in message
        request(bed, "one", elsewhere, ISSUER)
        wait_issued(bed, "one", elsewhere)
        wait_ready(bed, ISSUER)
        assert len(signed_csrs(bed)) == before + MOST_REFUSED + 1
    for name in (*refused, "next"):
        wait_issued(bed, name, namespace)
    assert len(signed_csrs(bed)) == before + MOST_REFUSED + 2, "each is signed once"


def test_a_burst_that_is_refused_leaves_others_a_slot_of_the_issuers_limit(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    """Two fill the limit: one is revoked and its request fails, and no more than two are ever held."""
    token, elsewhere = setup_token(bed.vault, layout.policy), bed.create_namespace("served-beside")
    bed.kube.apply(secret("narrow-token", SYSTEM_NAMESPACE, token=token))
    issuer = vault_cluster_issuer(bed, "narrow", token_auth("narrow-token"))
    issuer["spec"]["rateLimit"] = {"concurrent": 2}
    bed.kube.apply(issuer)
    wait_ready(bed, "narrow")
    before, revoked = len(signed_csrs(bed)), revocations(bed)
    with certificates_refused(bed, namespace):
        at_once(lambda name: request(bed, name, namespace, "narrow"), ["one", "two"])
        wait_until(lambda: failed(bed, namespace, ["one", "two"]), "none is given up")
        at_once(lambda name: request(bed, name, elsewhere, "narrow"), ["three", "four", "five"])
        for name in ("three", "four", "five"):
            wait_issued(bed, name, elsewhere)
        assert revocations(bed) == revoked + 1
        assert len(signed_csrs(bed)) == before + 5
        wait_ready(bed, "narrow")
    [kept] = {"one", "two"} - set(failed(bed, namespace, ["one", "two"]))
    wait_issued(bed, kept, namespace)
    assert len(signed_csrs(bed)) == before + 5
    delete_issuer(bed, "narrow")


def failed(bed: Testbed, namespace: str, names: list[str]) -> list[str]:
    """Those of the requests that have failed."""
    found = {
        name: bed.kube.get("cert-manager.io/v1", "CertificateRequest", name, namespace) for name in names
    }
    return [name for name, obj in found.items() if ready(obj).get("reason") == "Failed"]


def large(bed: Testbed, namespace: str) -> Object:
    """Create the largest request that etcd takes, or nearly: labels are in steps of 63 bytes."""
    obj = request_object("large", namespace, ISSUER)
    for count in range(ETCD_TAKES // 63, 0, -4):
        obj["metadata"]["labels"] = {f"k{number:06d}": "x" * 50 for number in range(count)}
        try:
            return bed.kube.create(obj)
        except HTTPError as error:
            if "request is too large" not in str(error):
                raise
    raise AssertionError("etcd takes no request")


@LONGER
def test_a_request_that_takes_no_status_is_not_signed_and_says_so_by_an_event(
    bed: Testbed, namespace: str
) -> None:
    before = len(signed_csrs(bed))
    large(bed, namespace)
    try:
        wait_until(lambda: events(bed, namespace, "large", "StatusTooLarge"), "no event tells it")
        request(bed, "usual", namespace, ISSUER)
        wait_issued(bed, "usual", namespace)
        assert len(signed_csrs(bed)) == before + 1
    finally:
        bed.kube.delete("cert-manager.io/v1", "CertificateRequest", "large", namespace)


def test_a_request_without_room_for_a_certificate_fails_unsigned(bed: Testbed, namespace: str) -> None:
    obj = request_object("roomless", namespace, ISSUER)
    obj["metadata"]["labels"] = {f"k{number:06d}": "x" * 50 for number in range(13_000)}
    before = len(signed_csrs(bed))
    bed.kube.create(obj)
    message = ready(wait_answer(bed, "roomless", namespace, "Failed"))["message"]
    assert "fewer labels" in message
    assert len(signed_csrs(bed)) == before


def test_a_large_request_is_signed_once_room_for_a_failure_is_kept(bed: Testbed, namespace: str) -> None:
    obj = request_object("large", namespace, ISSUER)
    obj["metadata"]["labels"] = {f"k{number:06d}": "x" * 50 for number in range(3_000)}
    before = len(signed_csrs(bed))
    bed.kube.create(obj)
    assert ready(wait_issued(bed, "large", namespace))["message"].startswith("Issued by")
    assert len(signed_csrs(bed)) == before + 1


def test_the_policy_of_these_tests_is_gone(bed: Testbed) -> None:
    """Others would meet it."""
    group = "admissionregistration.k8s.io/v1"
    assert bed.kube.find(group, "ValidatingAdmissionPolicyBinding", REFUSING) is None
