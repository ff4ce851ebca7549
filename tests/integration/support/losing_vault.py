"""A man in the middle who loses the answers to signing calls."""

from __future__ import annotations

import json

from testbed.cluster import Testbed
from tests.integration.support.forwarding_vault import HANG_UP, Answer, ForwardingVault


class LosingVault(ForwardingVault):
    """Has everything signed by the real Vault, and hangs up instead of answering."""

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "losing")

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, but for a certificate."""
        signs = "/sign/" in path and bool(body) and bool(json.loads(body).get("csr"))
        answer = self.relay(method, path, headers, body)
        return HANG_UP if signs else answer
