"""A sample of `make test-agent-soak`: no handshake fails while each server goes through ten renewals."""

from __future__ import annotations

from contextlib import ExitStack

from tests.agent.soak import Soak
from tests.agent.support import Machine


def test_no_handshake_fails_while_certificates_are_renewed(machine: Machine) -> None:
    with ExitStack() as stack:
        print(Soak(machine, renewals=10, handshakes=500, containers=True).sampled(stack))
