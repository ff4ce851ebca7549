"""A proxy before Vault that answers signing calls with 502, and how soon what waited is issued."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from testbed.cluster import Testbed
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import cluster_issuer_with_token, request, wait_issued, wait_ready
from tests.integration.support.forwarding_vault import Answer, ForwardingVault


class BadGateway(ForwardingVault):
    """Refuses signing calls while it is broken; with `probes` the empty ones of checks get through."""

    def __init__(self, bed: Testbed, name: str, *, probes: bool) -> None:
        super().__init__(bed, name)
        self._probes = probes
        self._broken = threading.Event()
        self.refused: Counter[str] = Counter()
        """Refusals by CSR."""

    def break_down(self) -> None:
        """Answer 502 from now on."""
        self._broken.set()

    def mend(self) -> None:
        """Answer as Vault does from now on."""
        self._broken.clear()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Vault's answer, or a gateway's page."""
        csr = json.loads(body).get("csr", "") if "/sign/" in path else None
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
    bed: Testbed,
    layout: PkiLayout,
    gateway: BadGateway,
    namespace: str,
    count: int,
    over: Callable[[], bool],
) -> Comeback:
    """Have `count` requests come during an outage that ends once `over()`; return how they came back."""
    more = {"server": gateway.addr, "caBundle": gateway.ca_bundle}
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy), **more)
    wait_ready(bed, namespace)
    gateway.break_down()
    names = [f"r{number}" for number in range(count)]
    for name in names:
        request(bed, name, namespace, namespace)
    while not over():
        time.sleep(0.05)
    gateway.mend()
    ended, seconds = time.monotonic(), []
    for name in names:
        wait_issued(bed, name, namespace)
        seconds.append(time.monotonic() - ended)
    return Comeback(seconds[0], seconds[-1])
