"""Requests that can never be served are failed with the reason, and cost nobody else anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_issuer,
    events,
    ready,
    request,
    signed_csrs,
    wait_answer,
    wait_issued,
    wait_ready,
    webhook_validation_withdrawn,
)

ISSUER = "bad-requests"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller and one good issuer for this module."""
    with ControllerProcess(bed) as one:
        cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
        wait_ready(bed, ISSUER)
        yield one
        delete_issuer(bed, ISSUER)


def with_broken_signature() -> bytes:
    """A CSR whose last signature byte is another."""
    der = bytearray(x509.load_pem_x509_csr(csr_pem("a.lab.example.test")).public_bytes(Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n".encode()


def test_requests_without_a_readable_csr_are_failed_each_with_its_reason(
    bed: Testbed, namespace: str, controller: ControllerProcess
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
    before = len(signed_csrs(bed))
    # cert-manager's webhook refuses most of these before anybody sees them; a cluster may run without it.
    with webhook_validation_withdrawn(bed):
        for name, (csr, _why) in cases.items():
            request(bed, name, namespace, ISSUER, csr=csr)
        for name, (_csr, why) in cases.items():
            answer = wait_answer(bed, name, namespace, "Failed")
            assert "spec.request" in ready(answer)["message"]
            assert why in ready(answer)["message"]
            assert answer["status"]["failureTime"]
    assert len(signed_csrs(bed)) == before
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()


def test_a_csr_that_is_not_base64_is_refused_by_the_api_server(bed: Testbed, namespace: str) -> None:
    with webhook_validation_withdrawn(bed), pytest.raises(Exception, match=r"base64|byte"):
        request(bed, "not-base64", namespace, ISSUER, csr="%%% not base64 %%%")


def test_a_name_the_role_does_not_allow_fails_with_vaults_words(bed: Testbed, namespace: str) -> None:
    request(bed, "elsewhere", namespace, ISSUER, csr=csr_pem("www.example.com"))
    message = ready(wait_answer(bed, "elsewhere", namespace, "Failed"))["message"]
    assert "www.example.com" in message
    assert "RefusedByVault" in message


def test_a_ca_certificate_is_not_signed_without_a_place_for_it(bed: Testbed, namespace: str) -> None:
    before = len(signed_csrs(bed))
    request(bed, "ca", namespace, ISSUER, isCA=True)
    message = ready(wait_answer(bed, "ca", namespace, "Failed"))["message"]
    assert "spec.certificateAuthority" in message
    assert len(signed_csrs(bed)) == before


def test_a_kind_we_do_not_have_is_failed_and_the_kinds_named(bed: Testbed, namespace: str) -> None:
    request(bed, "kind", namespace, ISSUER, kind="Issuer")
    assert "VaultClusterIssuer" in ready(wait_answer(bed, "kind", namespace, "Failed"))["message"]


def test_a_failed_request_leaves_an_event(bed: Testbed, namespace: str) -> None:
    request(bed, "eventful", namespace, ISSUER, csr=csr_pem("www.example.com"))
    wait_answer(bed, "eventful", namespace, "Failed")
    assert len(events(bed, namespace, "eventful", "Failed")) == 1


def test_good_requests_are_served_beside_bad_ones(bed: Testbed, namespace: str) -> None:
    for number in range(10):
        request(bed, f"bad-{number}", namespace, ISSUER, csr=csr_pem("www.example.com"))
        request(bed, f"good-{number}", namespace, ISSUER)
    for number in range(10):
        wait_issued(bed, f"good-{number}", namespace)
        wait_answer(bed, f"bad-{number}", namespace, "Failed")
