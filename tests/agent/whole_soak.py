"""50,000 handshakes with nginx, HAProxy, a server in Python and one in a container: `make test-agent-soak`.

SOAK_HANDSHAKES is their number.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from tests.agent.soak import Soak
from tests.agent.support import Machine


def test_no_handshake_fails_through_ten_renewals(machine: Machine) -> None:
    handshakes = int(os.environ.get("SOAK_HANDSHAKES", "50000"))
    with ExitStack() as stack:
        print(Soak(machine, renewals=10, handshakes=handshakes, containers=True).run(stack))
