"""What is signed and can't be delivered, as something between the controller and Vault spoils the answers."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from threading import Event, Lock
from typing import Any

import pytest
from cryptography import x509

from issuer.controller.state.health.bad_answers import RETRY_ANNOTATION
from issuer.x509.request import read_request
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.processes import PATIENCE
from testbed.samples import API_VERSION
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_issuer,
    ready,
    request,
    revocations,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
)
from tests.integration.support.forwarding_vault import HANG_UP, Answer, ForwardingVault

FAULTS = ("lost", "cut", "garbled", "many-cas", "another-key")
REVOKED = ("many-cas", "another-key")
"""Those whose certificate can be read."""
TIMEOUT = 5
"""Seconds of --vault-timeout."""


class SpoilingVault(ForwardingVault):
    """Has everything signed by the real Vault, and spoils the answers as the request's name says.

    `signed` counts by name what was signed, `spoils` are the names that are spoilt still.
    """

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "spoiling")
        self._lock = Lock()
        self.signed: dict[str, int] = dict.fromkeys(FAULTS, 0)
        self.spoils = set(FAULTS)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, spoilt where it is a certificate."""
        csr = json.loads(body).get("csr") if body and "/sign/" in path else None
        if not csr:
            return self.relay(method, path, headers, body)
        name = str(next(iter(read_request(csr.encode()).names)).value).partition(".")[0]
        spoilt = name in self.spoils
        if spoilt and name == "another-key":
            sent = json.loads(body)
            body = json.dumps({**sent, "csr": csr_pem(f"{name}.{DOMAIN}").decode()}).encode()
        status, answer = self.relay(method, path, headers, body)
        with self._lock:
            self.signed[name] += status == 200
        return self._spoilt(name, answer) if spoilt else (status, answer)

    @staticmethod
    def _spoilt(name: str, answer: bytes) -> Answer:
        said: dict[str, Any] = json.loads(answer)
        match name:
            case "lost":
                return HANG_UP
            case "cut":
                return 200, answer[: len(answer) // 2]
            case "garbled":
                said["data"]["certificate"] = said["data"]["certificate"].replace("MII", "XYZ")
            case "many-cas":
                said["data"]["ca_chain"] *= 50
        return 200, json.dumps(said).encode()


class FreezingVault(ForwardingVault):
    """Has everything signed by the real Vault, and freezes the controller before its first such answer."""

    def __init__(self, bed: Testbed, controller: ControllerProcess) -> None:
        super().__init__(bed, "freezing")
        self._controller = controller
        self.answered = Event()
        self.signed = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer."""
        answer = self.relay(method, path, headers, body)
        if body and "/sign/" in path and json.loads(body).get("csr"):
            self.signed += 1
            if self.signed == 1:
                self._controller.pause()
                self.answered.set()
        return answer


@pytest.fixture(scope="module")
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    with ControllerProcess(bed, ["--issuer-check-period=2", f"--vault-timeout={TIMEOUT}"]) as one:
        yield one


def lines(controller: ControllerProcess, event: str) -> list[dict[str, Any]]:
    """The controller's log lines of that event."""
    found = [json.loads(line) for line in controller.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if line.get("event") == event]


def test_an_answer_that_came_while_the_controller_was_frozen_is_delivered(
    bed: Testbed, controller: ControllerProcess, layout: PkiLayout, namespace: str
) -> None:
    """As after a machine was suspended, or had no processor for it: nothing is signed again."""
    token = setup_token(bed.vault, layout.policy)
    with FreezingVault(bed, controller) as vault:
        cluster_issuer_with_token(bed, "freezing", token, server=vault.addr, caBundle=vault.ca_bundle)
        wait_ready(bed, "freezing")
        request(bed, "frozen", namespace, "freezing")
        assert vault.answered.wait(PATIENCE)
        time.sleep(TIMEOUT + 1)  # nothing that is frozen can say that its time-out is over
        controller.resume()
        wait_issued(bed, "frozen", namespace)
        assert vault.signed == 1
    assert lines(controller, "outcome unknown") == []
    delete_issuer(bed, "freezing")


def test_an_answer_that_cannot_be_delivered_fails_nothing_and_leaves_a_trace(
    bed: Testbed, controller: ControllerProcess, layout: PkiLayout, namespace: str
) -> None:
    """One signing, one trace, and all wait; the one that stays spoilt goes on at a person's word."""
    token, before = setup_token(bed.vault, layout.policy), revocations(bed)
    with SpoilingVault(bed) as vault:
        for name in FAULTS:
            cluster_issuer_with_token(bed, name, token, server=vault.addr, caBundle=vault.ca_bundle)
        for name in FAULTS:
            wait_ready(bed, name)
            request(bed, name, namespace, name)
        for name in FAULTS:
            told = wait_reason(bed, name, "BadAnswer")
            waiting = wait_answer(bed, name, namespace, "Pending")
            assert "BadAnswer" in ready(waiting)["message"], told
        vault.spoils = {"lost"}
        for name in FAULTS[1:]:
            issued = wait_issued(bed, name, namespace)
            leaf = x509.load_pem_x509_certificate(base64.b64decode(issued["status"]["certificate"]))
            assert (
                leaf.public_key()
                == x509.load_pem_x509_csr(base64.b64decode(issued["spec"]["request"])).public_key()
            )
            wait_ready(bed, name)
        assert {name: vault.signed[name] for name in FAULTS[1:]} == dict.fromkeys(FAULTS[1:], 2)
        _is_counted_by_the_next_process(bed, controller, vault)
        _is_retried_on_request(bed, vault, namespace)
        for name in FAULTS:
            delete_issuer(bed, name)
    assert revocations(bed) == before + len(REVOKED)
    _traces(bed, controller, namespace)


def _is_counted_by_the_next_process(
    bed: Testbed, controller: ControllerProcess, vault: SpoilingVault
) -> None:
    """Two tries were made, and a process that starts now makes none before the pause of five minutes."""

    def tried_twice(issuer: Object) -> bool:
        return bool(issuer.get("status", {}).get("badAnswers", {}).get("inARow") == 2)

    def told_by_the_next(issuer: Object) -> bool:
        return "before this process began" in str(ready(issuer).get("message"))

    bed.kube.wait(API_VERSION, "VaultClusterIssuer", "lost", until=tried_twice)
    assert 'vault_issuer_outcomes_unknown_total{fault="lost"} 2.0' in controller.metrics()
    controller.kill()
    controller.start()
    issuer = bed.kube.wait(API_VERSION, "VaultClusterIssuer", "lost", until=told_by_the_next)
    assert tried_twice(issuer)
    assert "2 of 3" in ready(issuer)["message"]


def _is_retried_on_request(bed: Testbed, vault: SpoilingVault, namespace: str) -> None:
    """After two lost answers the pause is five minutes; nobody needs to wait for it."""
    assert vault.signed["lost"] == 2
    vault.spoils = set()
    mark = {"metadata": {"annotations": {RETRY_ANNOTATION: "now"}}}
    bed.kube.patch(API_VERSION, "VaultClusterIssuer", "lost", mark)
    wait_issued(bed, "lost", namespace)
    assert vault.signed["lost"] == 3


def _traces(bed: Testbed, controller: ControllerProcess, namespace: str) -> None:
    """Each certificate is in the log, by its serial or by its key."""
    undelivered = lines(controller, "certificate not delivered")
    assert {line["request"] for line in undelivered} == {f"{namespace}/{name}" for name in REVOKED}
    for line in undelivered:
        assert line["revoked"]
        assert bed.vault.read(f"pki_int/cert/{line['serial']}")["revocation_time"] > 0
    unknown = [line["request"].partition("/")[2] for line in lines(controller, "outcome unknown")]
    assert sorted(unknown) == sorted([*FAULTS[1:3], "another-key", "lost", "lost"])
