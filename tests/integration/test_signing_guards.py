"""Holes that a reviewer found, each closed on real parts: spellings of a path, backdating, odd requests."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import everything_policy, policy
from testbed.vaultpki import PkiLayout, setup_role
from tests.builders import csr_with
from tests.integration.support.common import only_policies, ready, revocations, wait_answer
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.signing_requests import CERTIFICATES, CLUSTER, CSR, ask, decide
from tests.integration.test_signing_modes import AUTHORITY, WITH_AUTHORITY, vault_token


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller for this module; no policy selects its issuers until a test makes one."""
    elsewhere = policy("elsewhere", {}, selector={"issuerRef": {"name": "another"}})
    with only_policies(bed, elsewhere), ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
        sweep(bed)


@pytest.fixture(scope="module")
def token(bed: Testbed, layout: PkiLayout) -> str:
    """A Vault token for every way of signing."""
    paths = [f"pki_int/{path}" for path in ("sign/*", "sign-verbatim", "revoke")]
    return vault_token(bed, "guards", [*paths, AUTHORITY, "pki/revoke"])


@pytest.mark.parametrize("path", ["pki_int/sign-verbatim ", "\u00a0pki_int//sign-verbatim/"])
def test_no_spelling_of_a_verbatim_path_gets_around_its_policy(cluster: Scope, token: str, path: str) -> None:
    cluster.apply_with_token(token, {"approval": "External"}, path=path)
    assert "CertificateRequestPolicy" in cluster.wait_reason("NoPolicy")


def test_a_role_that_backdates_too_far_makes_no_certificate_that_is_renewed_for_ever(
    bed: Testbed, cluster: Scope, token: str
) -> None:
    bed.kube.apply(everything_policy())
    setup_role(bed.vault, "pki_int", "backdated", not_before_duration="240h")
    cluster.apply_with_token(token, path="pki_int/sign/backdated")
    cluster.wait_ready()
    before = revocations(bed)
    cluster.request("one", duration="24h")
    answer = wait_answer(bed, "one", cluster.namespace, "Failed")
    assert "not_before_duration" in ready(answer)["message"]
    assert "certificate" not in answer["status"]
    assert revocations(bed) == before + 1


def test_a_path_length_of_thousands_of_digits_fails_a_signing_request(
    bed: Testbed, cluster: Scope, token: str
) -> None:
    bed.kube.apply(everything_policy())
    cluster.apply_with_token(token, WITH_AUTHORITY, path="pki_int/sign/lab")
    cluster.wait_ready()
    inner = b"\x01\x01\xff\x02\x82\x08\x34" + b"\x7f" * 2100
    value = b"\x30\x82" + len(inner).to_bytes(2, "big") + inner
    csr = csr_with(
        x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), value),
        subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sub")]),
    )
    name = f"huge-{cluster.name}"
    ask(
        bed.kube,
        name,
        f"{CLUSTER}/{cluster.name}",
        annotations={"experimental.cert-manager.io/request-is-ca": "true"},
        request=base64.b64encode(csr).decode(),
        usages=["cert sign"],
    )
    decide(bed, name)

    def failed(obj: dict[str, object]) -> bool:
        status = obj.get("status")
        conditions = status.get("conditions") if isinstance(status, dict) else None
        return any(one["type"] == "Failed" for one in conditions or ())

    bed.kube.wait(CERTIFICATES, CSR, name, until=failed)
    bed.kube.delete(CERTIFICATES, CSR, name)
