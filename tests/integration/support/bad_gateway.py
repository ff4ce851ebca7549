"""A proxy before a CA that answers signing calls with 502, and how soon what waited is issued."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.support.cas_under_test import CAUnderTest, Endpoint
from tests.integration.support.common import wait_issued
from tests.integration.support.forwarding_server import Answer, ForwardingServer


class BadGateway(ForwardingServer):
    """Refuses signing calls while it is broken; with `probes` the empty ones of checks get through."""

    forwarded = ("X-Vault-Token", "X-Vault-Request", "Content-Type")

    def __init__(self, ca: CAUnderTest, name: str, *, probes: bool) -> None:
        super().__init__(ca.bed.directory / name, name, ca.endpoint.url, ca.endpoint.ca_file)
        self._probes = probes
        self._broken = threading.Event()
        self.refused: Counter[str] = Counter()
        """Refusals by CSR."""

    def break_down(self) -> None:
        """Answer 502 from now on."""
        self._broken.set()

    def mend(self) -> None:
        """Answer as the CA does from now on."""
        self._broken.clear()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The CA's answer, or a gateway's page."""
        csr = json.loads(body).get("csr", "") if "/sign" in path else None
        if not self._broken.is_set() or csr is None or (self._probes and not csr):
            return self.relay(method, path, headers, body)
        self.refused[csr] += bool(csr)
        return 502, b"<html>Bad Gateway</html>"


@dataclass(frozen=True, slots=True)
class Comeback:
    """The seconds from the end of an outage until the first and the last request were issued."""

    first: float
    last: float


def outlast(
    ca: CAUnderTest,
    gateway: BadGateway,
    namespace: str,
    count: int,
    over: Callable[[], bool],
) -> Comeback:
    """Have `count` requests come during an outage that ends once `over()`; return how they came back."""
    ca.issuer(namespace, Endpoint(gateway.addr, gateway.ca_bundle, gateway.ca_file))
    ca.wait(namespace)
    gateway.break_down()
    names = [f"r{number}" for number in range(count)]
    for name in names:
        ca.request(name, namespace, namespace)
    while not over():
        time.sleep(0.05)
    gateway.mend()
    ended, seconds = time.monotonic(), []
    for name in names:
        wait_issued(ca.bed, name, namespace)
        seconds.append(time.monotonic() - ended)
    return Comeback(seconds[0], seconds[-1])
