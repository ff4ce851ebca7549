"""A man in the middle with a CA of his own: answers signing calls himself, and hands on all others."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from cryptography import x509

from testbed.cluster import Testbed
from tests.ca import TestCA, pem
from tests.integration.support.forwarding_vault import Answer, ForwardingVault


class ForgingVault(ForwardingVault):
    """While `forges`, certificates have the right key and names, and are mallory's; `forged` counts them."""

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "forging")
        self.mallory = TestCA.make(datetime.now(UTC))
        self.forges = True
        self.forged = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """A forged certificate for a CSR, the real Vault's answer to all else."""
        csr = json.loads(body).get("csr") if body and "/sign/" in path else None
        if not csr or not self.forges:
            return self.relay(method, path, headers, body)
        self.forged += 1
        made = self.mallory.sign(csr, now=datetime.now(UTC), life=timedelta(hours=23, minutes=59))
        chain = [pem(self.mallory.intermediate), pem(self.mallory.root)]
        answer = {
            "certificate": made.leaf_pem,
            "issuing_ca": chain[0],
            "ca_chain": chain,
            "serial_number": made.serial,
        }
        return 200, json.dumps({"data": answer}).encode()

    @property
    def root(self) -> x509.Certificate:
        """The forger's root."""
        return self.mallory.root
