"""Odd specs, odd names and forged status: each ends as an answer, and costs nobody else anything."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from issuer.kube.client import KubeClient
from issuer.kube.resources import SECRETS, Resource
from issuer.kube.wire import Object as Json
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.kube import Object
from testbed.samples import API_VERSION, secret, vault_issuer
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_with
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    condition,
    delete_issuer,
    only_policies,
    ready,
    request,
    set_condition,
    signed_csrs,
    token_auth,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
    write_status,
)
from tests.integration.support.inprocess import in_process, unexpected, until

GOOD, LATE = "odd-good", "odd-late"


@pytest.fixture(scope="module")
def token(bed: Testbed, layout: PkiLayout) -> str:
    """A token that may sign."""
    return setup_token(bed.vault, layout.policy, ttl="24h")


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, token: str) -> Iterator[ControllerProcess]:
    """One controller and one good issuer for this module."""
    with ControllerProcess(bed, ["--issuer-check-period=1"]) as one:
        cluster_issuer_with_token(bed, GOOD, token)
        wait_ready(bed, GOOD)
        yield one
        for name in (GOOD, LATE):
            delete_issuer(bed, name)


def test_an_issuer_that_nobody_can_connect_to_says_so(bed: Testbed, namespace: str) -> None:
    odd: dict[str, dict[str, Any]] = {
        "dots": {"server": "https://vault..example.com:8200"},
        "label": {"server": f"https://{'a' * 64}.example.com"},
        "long": {"server": f"https://{'a.' * 127}com"},
        "idna": {"server": "https://" + "ä" * 70 + ".example.com"},
        "port": {"server": "https://vault.example.com:0"},
        "user": {"server": "https://@vault.example.com"},
        "space": {"server": "https://vault example.com"},
        "name": {"serverName": "a..b"},
        "dot": {"serverName": ".a"},
        "line": {"namespace": "a\nb"},
    }
    bed.kube.apply(secret("t", namespace, token="hvs.abcdefghijklmnopqrstuvwx"))
    grant_issuer_access(bed, namespace, secrets=["t"])
    for name, more in odd.items():
        odd_issuer = vault_issuer(bed, name, namespace, token_auth("t"))
        odd_issuer["spec"]["vault"] |= more
        bed.kube.apply(odd_issuer)
    request(bed, "one", namespace, "dots", kind="VaultIssuer")
    for name in odd:
        assert wait_reason(bed, name, "InvalidConnection", namespace)
    found = wait_answer(bed, "one", namespace, "Pending")
    assert "empty label" in ready(found)["message"]


def test_names_that_no_parameter_holds_fail_under_another_approver(
    bed: Testbed, namespace: str, token: str
) -> None:
    issuer = cluster_issuer_with_token(bed, LATE, token)
    issuer["spec"]["approval"] = "External"
    bed.kube.apply(issuer)
    wait_ready(bed, LATE)
    with only_policies(bed):
        for name, tag in (("x400", 0xA3), ("edi", 0xA5)):
            value = x509.UnrecognizedExtension(
                ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes([0x30, 2, tag, 0])
            )
            request(bed, name, namespace, LATE, csr=csr_with(value))
            set_condition(bed, name, namespace, "Approved")
        for name in ("x400", "edi"):
            found = wait_answer(bed, name, namespace, "Failed")
            assert found["status"]["failureTime"]
    delete_issuer(bed, LATE)


async def test_an_unexpected_error_is_told_on_the_object_and_passes(
    bed: Testbed, namespace: str, token: str, controller: ControllerProcess
) -> None:
    controller.stop()
    broken = True

    def prepare(client: KubeClient) -> None:
        get = client.get

        async def odd(resource: Resource, name: str, namespace: str | None = None) -> Json:
            if broken and resource is SECRETS:
                raise RuntimeError(f"odd, with {token}")
            return await get(resource, name, namespace)

        client.get = odd  # type: ignore[method-assign]

    def issuer_says(reason: str) -> bool:
        return ready(bed.kube.get(API_VERSION, "VaultClusterIssuer", GOOD)).get("reason") == reason

    def told() -> str:
        return str(ready(bed.kube.get(CERT_MANAGER, REQUEST, "one", namespace)).get("message", ""))

    async with in_process(bed, prepare, expects_errors=True) as running:
        await until(lambda: issuer_says("InternalError"), "the issuer says that it met a defect")
        request(bed, "one", namespace, GOOD)
        await until(lambda: "InternalError" in told(), "the request says why it waits")
        assert "RuntimeError in issuer.signing.secrets" in told()
        assert token not in told()
        broken = False
        await until(lambda: issuer_says("Ready"), "the issuer is Ready again", 40)
        await until(lambda: told().startswith("Issued by"), "the request is issued")
        assert unexpected(running.manager)
    controller.start()


def forge(bed: Testbed, name: str, namespace: str, **status: Any) -> None:
    """Write a request's status as somebody who may."""
    write_status(bed, name, namespace, lambda before: {**before, **status})


def one_condition(kind: str, status: str, reason: str) -> Object:
    """A condition as somebody else writes it."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "forged",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def test_a_forged_ready_certificate_and_failure_time_are_survived(
    bed: Testbed, namespace: str, token: str
) -> None:
    """Who may write a request's status has the last word on that request, and on nothing else."""
    request(bed, "victim", namespace, GOOD)
    stolen = wait_issued(bed, "victim", namespace)["status"]["certificate"]
    before = len(signed_csrs(bed))
    junk = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").decode()
    ready_true, failed = one_condition("Ready", "True", "Issued"), one_condition("Ready", "False", "Failed")
    final = {
        "stolen": {"conditions": [ready_true], "certificate": stolen, "ca": stolen},
        "junk": {"conditions": [ready_true], "certificate": junk},
        "empty": {"conditions": [ready_true]},
        "failed": {"conditions": [failed], "failureTime": "1970-01-01T00:00:00Z"},
    }
    others = {
        "time": {"failureTime": "1970-01-01T00:00:00Z"},
        "held": {"certificate": stolen, "ca": junk},
        "unknown": {
            "conditions": [one_condition("Ready", "Unknown", "x" * 900)],
            "failureTime": "2999-01-01T00:00:00Z",
        },
        "many": {"conditions": [one_condition(f"Odd{number}", "True", "Odd") for number in range(200)]},
    }
    for name, status in {**final, **others}.items():
        request(bed, name, namespace, LATE)
        wait_answer(bed, name, namespace, "Pending")
        forge(bed, name, namespace, **status)
    cluster_issuer_with_token(bed, LATE, token)  # only now could any of them be signed
    for name in others:
        found = wait_issued(bed, name, namespace)
        assert found["status"]["certificate"] != stolen
        assert condition(found, "Approved")["status"] == "True"
    for name, status in final.items():
        found = bed.kube.get(CERT_MANAGER, REQUEST, name, namespace)
        assert ready(found)["message"] == "forged"
        assert found["status"].get("certificate") == status.get("certificate")
    assert len(signed_csrs(bed)) - before == len(others)
    delete_issuer(bed, LATE)


def test_a_forged_status_of_an_issuer_is_neither_believed_nor_left(
    bed: Testbed, namespace: str, token: str
) -> None:
    cluster_issuer_with_token(bed, LATE, token, path="pki_int/sign/not-there")
    wait_reason(bed, LATE, "PermissionDenied")
    request(bed, "one", namespace, LATE)
    wait_answer(bed, "one", namespace, "Pending")
    request(bed, "before", namespace, GOOD)
    wait_issued(bed, "before", namespace)
    signed = len(signed_csrs(bed))
    for name, status in ((LATE, "True"), (GOOD, "False")):
        found = bed.kube.get(API_VERSION, "VaultClusterIssuer", name)
        found["status"] = {"conditions": [one_condition("Ready", status, "Forged")], "caSubject": "CN=forged"}
        bed.kube.replace(found, "status")
    request(bed, "two", namespace, LATE)
    request(bed, "three", namespace, GOOD)
    wait_issued(bed, "three", namespace)
    wait_answer(bed, "two", namespace, "Pending")
    wait_reason(bed, LATE, "PermissionDenied")
    healed = wait_ready(bed, GOOD, until="Ready")
    assert "forged" not in healed["status"]["caSubject"]
    assert len(signed_csrs(bed)) - signed == 1
    delete_issuer(bed, LATE)
