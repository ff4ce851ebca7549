"""Plan and apply on a real OpenBao: everything made in order, again without a write, by identity."""

from __future__ import annotations

from pathlib import Path

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written


def test_a_two_tier_ca_is_planned_applied_and_then_the_plan_is_empty(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    planned = vault.run("plan", "-f", file)
    assert planned.exit_code == 2, planned.output
    vault.apply(file)
    again = vault.plan(file)
    assert actions(again) == []
    before = len(vault.requests())
    vault.apply(file)
    assert vault.writes_since(before) == []
