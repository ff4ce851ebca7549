"""A controller that is killed while the API server is away leaves few certificates, all named in its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Lock
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    at_once,
    cluster_issuer_with_token,
    delete_issuer,
    request,
    wait_issued,
    wait_ready,
)
from tests.integration.support.forwarding_vault import Answer, ForwardingVault
from tests.integration.support.waiting import wait_until

COUNT, MOST = 30, 5


class LastVault(ForwardingVault):
    """Stops the API server before the first signing call, while `stops`; `signed` are all serials since."""

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "last")
        self._bed, self._lock = bed, Lock()
        self.stops = False
        self.signed: set[str] = set()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer."""
        if "/sign/" not in path:
            return self.relay(method, path, headers, body)
        with self._lock:
            if self.stops:
                self._bed.stop_apiserver()
                self.stops = False
        status, answer = self.relay(method, path, headers, body)
        if status == 200:
            self.signed.add(json.loads(answer)["data"]["serial_number"])
        return status, answer


@pytest.fixture
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """A controller that may have five requests of an issuer at once."""
    with ControllerProcess(bed, [f"--issuer-concurrency={MOST}", "--issuer-check-period=2"]) as one:
        yield one


def logged(controller: ControllerProcess, event: str) -> list[dict[str, Any]]:
    """The log lines of one event."""
    lines = [line for line in controller.log.read_text().splitlines() if line.startswith("{")]
    return [one for one in map(json.loads, lines) if one["event"] == event]


def test_an_api_server_gone_in_a_burst_and_then_a_kill_lose_no_serial(
    bed: Testbed, layout: PkiLayout, namespace: str, controller: ControllerProcess
) -> None:
    names = [f"c{number}" for number in range(COUNT)]
    with LastVault(bed) as vault:
        token = setup_token(bed.vault, layout.policy)
        cluster_issuer_with_token(bed, "crash", token, server=vault.addr, caBundle=vault.ca_bundle)
        wait_ready(bed, "crash")
        request(bed, "before", namespace, "crash")
        wait_issued(bed, "before", namespace)
        bed.vault.seal()
        at_once(lambda name: request(bed, name, namespace, "crash"), names)
        vault.signed.clear()
        vault.stops = True
        try:
            bed.vault.unseal()

            def all_are_logged() -> bool:
                """What is held is in the first line of each, and in the lines that come again."""
                lines = logged(controller, "certificates held")
                again = set(lines[-1]["serials"].values()) if lines else set()
                first = {str(one["serial"]) for one in logged(controller, "certificate held")}
                return bool(vault.signed) and again == first == vault.signed

            wait_until(all_are_logged, lambda: f"not all of {vault.signed} are in the log")
            assert len(vault.signed) <= MOST
            controller.kill()
        finally:
            vault.stops = False
            bed.start_apiserver()
        held = set(vault.signed)
        controller.start()
        for name in names:
            wait_issued(bed, name, namespace)
        assert len(vault.signed) <= COUNT + len(held)
    delete_issuer(bed, "crash")
