"""A man in the middle: forwards to the real Vault, but has another CSR signed than the one it was given."""

from __future__ import annotations

import json

from testbed.cluster import Testbed
from tests.integration.support.forwarding_vault import Answer, ForwardingVault


class SwappingVault(ForwardingVault):
    """``swapped`` counts what it did."""

    def __init__(self, bed: Testbed, csr: bytes) -> None:
        super().__init__(bed, "swapping")
        self._csr = csr.decode()
        self.swapped = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, to a request with another CSR where there was one."""
        if "/sign/" in path and body:
            sent = json.loads(body)
            if sent.get("csr"):
                sent["csr"] = self._csr
                self.swapped += 1
            body = json.dumps(sent).encode()
        return self.relay(method, path, headers, body)
