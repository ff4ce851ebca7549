"""One agent with 200 certificates, and a Vault that is away for 99 % of a window: `make test-agent-soak`."""

from __future__ import annotations

import json
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from tests.agent.soak import HANG, at_work, process_usage
from tests.agent.support import Machine
from tests.integration.support.breakable_link import Link

COUNT = 200
IDLE_SECONDS = 70
"""Long enough for a look at all files, which is each minute."""


def records(machine: Machine) -> list[dict[str, object]]:
    """What the agent noted about its sets."""
    folder = machine.folder / "state" / "records"
    return [json.loads(path.read_text()) for path in folder.glob("*.json")] if folder.exists() else []


def test_200_certificates_by_one_agent(machine: Machine) -> None:
    machine.data["certificates"] = [machine.certificate(f"a{number:03d}") for number in range(COUNT)]
    logins = len(machine.bao.audited("auth/approle/login", "request"))
    with at_work(machine) as agent:
        began = time.monotonic()
        while sum(bool(one["renewed_at"]) for one in records(machine)) < COUNT:
            assert time.monotonic() - began < HANG
            time.sleep(0.1)
        took, busy = time.monotonic() - began, process_usage(agent.pid)
        time.sleep(IDLE_SECONDS)  # what is measured
        idle = process_usage(agent.pid)
    found = json.loads(machine.run("status", "-o", "json").stdout)
    times = sorted(datetime.fromisoformat(one["renewAt"]) for one in found)
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(times)]
    logins = len(machine.bao.audited("auth/approle/login", "request")) - logins
    print(
        f"{COUNT} certificates signed and written in {took:.0f} s: {busy}; {IDLE_SECONDS} s later: {idle}; "
        f"{logins} login; renewals spread over {(times[-1] - times[0]).total_seconds() / 60:.0f} minutes of "
        f"a day's life, at most {max(gaps) / 60:.1f} minutes apart"
    )
    assert logins == 1
    assert all(one["state"] == "Fresh" for one in found)


def test_vault_away_for_99_hundredths_of_a_window(machine: Machine) -> None:
    life, at = 200.0, 0.1
    renewal = {"at": at, "jitter": 0}
    machine.data["certificates"] = [machine.certificate("web", ttl=f"{life:.0f}s", renewal=renewal)]
    with Link(urlsplit(machine.bao.addr).port or 0) as link:
        machine.data["vault"]["server"] = f"https://127.0.0.1:{link.port}"
        with at_work(machine):
            while not Path(machine.folder / "web" / "combined.pem").exists():
                time.sleep(0.05)
            link.cut()
            first = machine.served()[0]
            end = first.not_valid_after_utc.timestamp()
            time.sleep(max(0.0, end - life * (1 - at) * 0.01 - time.time()))
            link.mend()
            while machine.served()[0] == first:
                assert time.time() < end, "the old certificate has ended"
                time.sleep(0.02)
            print(f"renewed {end - time.time():.1f} s before the old certificate's end")
