"""Commands that are sent to a standby of a real Raft cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from testbed.errors import HTTPError, TestbedError
from testbed.openbao import OpenBao
from testbed.servers import find_bao
from tests.pki.cases import case_of
from tests.pki.cutting import CuttingProxy
from tests.pki.interrupted import Case
from tests.pki.support import Vault, actions

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Pair:
    """The active node, and a standby that forwards to it. Both are needed for a write."""

    active: OpenBao
    standby: OpenBao

    def case(self, folder: Path) -> Case:
        """A two-tier CA, applied by the standby."""
        return case_of(Vault(self.standby, f"s{next(_numbers)}"), folder, "two-tier")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A cluster of two nodes."""
    active = OpenBao(find_bao(), tmp_path_factory.mktemp("active"))
    standby = OpenBao(find_bao(), tmp_path_factory.mktemp("standby"), leader=active)
    try:
        active.start()
        standby.start()
        yield Pair(active, standby)
    finally:
        standby.close()
        active.close()


def test_an_apply_by_a_standby_ends_as_one_by_the_active_node(pair: Pair, tmp_path: Path) -> None:
    case = pair.case(tmp_path)
    assert pair.standby.call("GET", "sys/leader")["is_self"] is False
    case.finish()
    case.holds()
    assert case.vault.run("verify", *case.words).exit_code == 0
    assert actions(Vault(pair.active, case.vault.name).plan(*case.files)) == []
    again = case.vault.run("apply", "--yes", *case.words)
    assert (again.exit_code, "steps done" in again.output) == (0, False)


def test_an_active_node_that_goes_stops_the_apply_and_nothing_is_lost(pair: Pair, tmp_path: Path) -> None:
    case = pair.case(tmp_path)
    proxy = CuttingProxy(pair.standby)
    proxy.held = lambda call: pair.active.stop() if call.endswith("/sign-intermediate") else None
    with proxy.running():
        ran = case.apply(proxy.addr)
    assert ran.exit_code == 1, ran.output
    assert "steps done. Left:" in ran.output
    assert "run the same again" in ran.output
    try:
        waits = case.vault.run("plan", *case.words)
        assert waits.exit_code == 1
        assert "VAULT_ADDR" in waits.output or "run the same again" in waits.output
    finally:
        pair.active.start()
        pair.standby.process.wait_ready(lambda: leads(pair))
    case.finish()
    case.holds()


def leads(pair: Pair) -> bool:
    """Return True if the standby knows an active node that serves."""
    try:
        pair.standby.call("GET", "auth/token/lookup-self")
        return bool(pair.standby.call("GET", "sys/leader")["leader_address"])
    except (HTTPError, TestbedError):
        return False
