"""A Vault that would sign a CA: has what goes to one path signed at another, and says nothing of it."""

from __future__ import annotations

import json

from testbed.cluster import Testbed
from tests.builders import csr_pem
from tests.integration.support.swapping_vault import SwappingVault


class DivertingVault(SwappingVault):
    """Forwards to the real Vault, but signs every CSR as a CA certificate, whatever path it came for."""

    def __init__(self, bed: Testbed, target: str) -> None:
        super().__init__(bed, csr_pem("unused.example.test"))
        self._target = target

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """The real Vault's answer, to a request for a CA where there was one for a leaf."""
        sent = json.loads(body) if body else {}
        if not sent.get("csr"):
            return self.relay(method, path, headers, body)
        self.swapped += 1
        wanted = {"csr": sent["csr"], "use_csr_values": True, "ttl": sent.get("ttl", "1h")}
        return self.relay(method, f"/v1/{self._target}", headers, json.dumps(wanted).encode())
