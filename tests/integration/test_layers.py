"""Defence in depth: policy, Vault role and the check of the answer each hold when the other two are open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import everything_policy, policy
from testbed.vaultpki import PkiLayout, setup_policy, setup_role, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    LAB,
    cluster_issuer_with_token,
    delete_issuer,
    only_policies,
    ready,
    request,
    revocations,
    signed_csrs,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.swapping_vault import SwappingVault

OPEN_PATH = "pki_int/sign/wide-open"
ELSEWHERE = csr_pem("www.example.com")


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller, an issuer with a role that signs any name, and one with the narrow role."""
    setup_role(bed.vault, layout.mount, "wide-open", [], allow_any_name=True, enforce_hostnames=False)
    with ControllerProcess(bed) as one:
        token = setup_token(bed.vault, setup_policy(bed.vault, layout.mount, "wide-open"))
        cluster_issuer_with_token(bed, "open-role", token, path=OPEN_PATH)
        cluster_issuer_with_token(bed, "narrow-role", setup_token(bed.vault, layout.policy))
        wait_ready(bed, "open-role")
        wait_ready(bed, "narrow-role")
        yield one
        delete_issuer(bed, "open-role")
        delete_issuer(bed, "narrow-role")


def test_with_everything_open_a_foreign_name_is_issued(bed: Testbed, namespace: str) -> None:
    with only_policies(bed, everything_policy()):
        request(bed, "open", namespace, "open-role", csr=ELSEWHERE)
        wait_issued(bed, "open", namespace)


def test_the_policy_holds_alone(bed: Testbed, namespace: str) -> None:
    before = len(signed_csrs(bed, OPEN_PATH))
    with only_policies(bed, policy("narrow", LAB)):
        request(bed, "by-policy", namespace, "open-role", csr=ELSEWHERE)
        message = ready(wait_answer(bed, "by-policy", namespace, "Denied"))["message"]
    assert "spec.allowed.dnsNames.values" in message
    assert len(signed_csrs(bed, OPEN_PATH)) == before


def test_the_vault_role_holds_alone(bed: Testbed, namespace: str) -> None:
    before = len(signed_csrs(bed))
    with only_policies(bed, everything_policy()):
        request(bed, "by-role", namespace, "narrow-role", csr=ELSEWHERE)
        message = ready(wait_answer(bed, "by-role", namespace, "Failed"))["message"]
    assert "RefusedByVault" in message
    assert "allow_subdomains" in message
    assert len(signed_csrs(bed)) == before


def test_the_check_of_the_answer_holds_alone(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    """Somebody between us and Vault (or in it) has another request signed than ours."""
    token = setup_token(bed.vault, setup_policy(bed.vault, layout.mount, "wide-open"))
    revoked = revocations(bed)
    with SwappingVault(bed, csr_pem("evil.example.com")) as swapping, only_policies(bed, everything_policy()):
        cluster_issuer_with_token(
            bed, "swapped", token, path=OPEN_PATH, server=swapping.addr, caBundle=swapping.ca_bundle
        )
        wait_ready(bed, "swapped")
        request(bed, "by-check", namespace, "swapped")
        found = wait_answer(bed, "by-check", namespace, "Pending")
        assert "another public key" in ready(found)["message"]
        assert "certificate" not in found["status"]
        assert swapping.swapped == 1
        delete_issuer(bed, "swapped")
    assert revocations(bed) == revoked + 1
