"""CA chains without a pin, and delivered sets that nothing came for yet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from issuer.agent.config.model import CAChainSpec
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.chains import CAChainKeeper
from issuer.agent.renewal.keepers.delivered import DeliveredAnswer
from issuer.cli.agent import commands
from tests.unit.agent.process.test_telling import made_at


@pytest.mark.parametrize("pinned", [False, True])
def test_first_root_that_nothing_was_compared_with_is_warned_of(tmp_path: Path, pinned: bool) -> None:
    root = made_at(datetime.now(UTC).replace(microsecond=0)).leaf
    fingerprint = root.fingerprint(hashes.SHA256()).hex(":").upper()
    data: dict[str, Any] = {"name": "ca", "folder": str(tmp_path / "ca"), "delivered": True}
    if pinned:
        data["rootFingerprint"] = fingerprint
    client: Any = None
    keeper = CAChainKeeper(CAChainSpec.model_validate(data), client, ServerClock())
    answer = DeliveredAnswer("", "", root.public_bytes(Encoding.PEM).decode())
    first, again = keeper.deliver(answer), keeper.deliver(answer)
    assert again.warnings == first.standing == ()  # told once for each root, and then by the status
    assert again.standing == first.warnings
    assert len(first.warnings) == (0 if pinned else 1)
    assert pinned or f"SHA-256 {fingerprint}, was trusted when it came" in first.warnings[0]


@pytest.mark.parametrize("made", [False, True])
def test_plan_says_that_a_set_waits_to_be_delivered(tmp_path: Path, made: bool) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        f"vault: {{server: 'https://vault.example.com'}}\nstateFolder: {tmp_path}/state\n"
        f"certificates: [{{name: web, folder: {tmp_path}/web, delivered: true}}]\n"
        f"caChains: [{{name: ca, folder: {tmp_path}/ca, delivered: true}}]\n"
    )
    path.chmod(0o600)
    if made:  # as after a look that found nothing
        CliRunner().invoke(commands.app, ["once", "-c", str(path)])
    ran = CliRunner().invoke(commands.app, ["plan", "-c", str(path)])
    assert ran.exit_code == 0, ran.output
    for name in ("web", "ca"):
        assert f"{name}: waits for: vault-issuer agent deliver {name} --json -" in ran.output
