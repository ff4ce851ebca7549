"""Requests that can never be served are failed with the reason, and cost nobody else anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.stepca import REFUSED_NAME
from tests.builders import csr_pem
from tests.integration.support.cas_under_test import CAUnderTest
from tests.integration.support.common import (
    events,
    ready,
    request,
    wait_answer,
    wait_issued,
    webhook_validation_withdrawn,
)

ISSUER = "bad-requests"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module."""
    with ControllerProcess(bed) as one:
        yield one


@pytest.fixture(scope="module")
def signing(ca: CAUnderTest, controller: ControllerProcess) -> Iterator[CAUnderTest]:
    """A CA of each backend in turn, with one good issuer."""
    ca.issuer(ISSUER)
    ca.wait(ISSUER)
    yield ca
    ca.delete(ISSUER)


def with_broken_signature() -> bytes:
    """A CSR whose last signature byte is another."""
    der = bytearray(x509.load_pem_x509_csr(csr_pem("a.lab.example.test")).public_bytes(Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n".encode()


def test_requests_without_a_readable_csr_are_failed_each_with_its_reason(
    bed: Testbed, signing: CAUnderTest, namespace: str, controller: ControllerProcess
) -> None:
    cases = {
        "not-pem": (base64.b64encode(b"hello").decode(), "not PEM"),
        "not-a-csr": (
            b"-----BEGIN CERTIFICATE REQUEST-----\naGVsbG8=\n-----END CERTIFICATE REQUEST-----\n",
            "",
        ),
        "wrong-signature": (with_broken_signature(), "signature"),
        "two-csrs": (csr_pem("a.lab.example.test") + csr_pem("b.lab.example.test"), ""),
    }
    before = len(signing.signed())
    # cert-manager's webhook refuses most of these before anybody sees them; a cluster may run without it.
    with webhook_validation_withdrawn(bed):
        for name, (csr, _why) in cases.items():
            signing.request(name, namespace, ISSUER, csr=csr)
        for name, (_csr, why) in cases.items():
            answer = wait_answer(bed, name, namespace, "Failed")
            assert "spec.request" in ready(answer)["message"]
            assert why in ready(answer)["message"]
            assert answer["status"]["failureTime"]
    assert len(signing.signed()) == before
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()


def test_a_csr_that_is_not_base64_is_refused_by_the_api_server(bed: Testbed, namespace: str) -> None:
    with webhook_validation_withdrawn(bed), pytest.raises(Exception, match=r"base64|byte"):
        request(bed, "not-base64", namespace, ISSUER, csr="%%% not base64 %%%")


def test_a_name_that_the_ca_does_not_allow_fails_with_its_words(signing: CAUnderTest, namespace: str) -> None:
    signing.request("elsewhere", namespace, ISSUER, csr=signing.refused_csr)
    message = ready(wait_answer(signing.bed, "elsewhere", namespace, "Failed"))["message"]
    assert REFUSED_NAME in message
    assert signing.refusal in message


def test_a_ca_certificate_is_not_signed_without_a_place_for_it(signing: CAUnderTest, namespace: str) -> None:
    before = len(signing.signed())
    signing.request("ca", namespace, ISSUER, isCA=True)
    message = ready(wait_answer(signing.bed, "ca", namespace, "Failed"))["message"]
    assert signing.no_authority in message
    assert len(signing.signed()) == before


def test_a_kind_we_do_not_have_is_failed_and_the_kinds_named(bed: Testbed, namespace: str) -> None:
    request(bed, "kind", namespace, ISSUER, kind="Issuer")
    message = ready(wait_answer(bed, "kind", namespace, "Failed"))["message"]
    assert "VaultClusterIssuer" in message
    assert "StepClusterIssuer" in message


def test_a_failed_request_leaves_an_event(signing: CAUnderTest, namespace: str) -> None:
    signing.request("eventful", namespace, ISSUER, csr=signing.refused_csr)
    wait_answer(signing.bed, "eventful", namespace, "Failed")
    assert len(events(signing.bed, namespace, "eventful", "Failed")) == 1


def test_good_requests_are_served_beside_bad_ones(signing: CAUnderTest, namespace: str) -> None:
    for number in range(10):
        signing.request(f"bad-{number}", namespace, ISSUER, csr=signing.refused_csr)
        signing.request(f"good-{number}", namespace, ISSUER)
    for number in range(10):
        wait_issued(signing.bed, f"good-{number}", namespace)
        wait_answer(signing.bed, f"bad-{number}", namespace, "Failed")
