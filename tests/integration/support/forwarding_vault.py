"""A man in the middle: an HTTPS server of its own that hands everything on to the real Vault."""

from __future__ import annotations

import threading

from testbed.cluster import Testbed
from tests.integration.support.forwarding_server import (
    HANG_UP as HANG_UP,
)  # those who meddle have it from here
from tests.integration.support.forwarding_server import Answer as Answer
from tests.integration.support.forwarding_server import ForwardingServer


class ForwardingVault(ForwardingServer):
    """``addr`` and ``ca_bundle`` lead an issuer here; subclasses meddle in ``forward``."""

    forwarded = ("X-Vault-Token", "X-Vault-Request", "Content-Type")

    def __init__(self, bed: Testbed, name: str) -> None:
        super().__init__(bed.directory / name, name, bed.vault.addr, bed.vault.ca_file)


class DyingVault(ForwardingVault):
    """Answers as the real Vault does, and while paused not at all.

    Unlike a process that is stopped it still takes connections: how long a call waits is left to
    --vault-timeout, and not to the ten seconds that a handshake has.
    """

    def __init__(self, bed: Testbed, name: str) -> None:
        super().__init__(bed, name)
        self._lives = threading.Event()
        self._lives.set()
        self.unanswered: list[str] = []
        """Paths of the calls that came while it was paused."""

    def pause(self) -> None:
        """Answer no further call."""
        self._lives.clear()

    def resume(self) -> None:
        """Answer again, also those that wait."""
        self._lives.set()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, late if it is paused."""
        if not self._lives.is_set():
            self.unanswered.append(path)
            self._lives.wait()
        return self.relay(method, path, headers, body)
