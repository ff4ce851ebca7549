"""`--backends` of the commands that look at issuers."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app

COMMANDS = (
    ["status"],
    ["inspect", "one", "-n", "team-a"],
    ["explain", "one", "-n", "team-a"],
    ["ready", "--issuer", "VaultClusterIssuer/vault"],
    ["canary", "VaultClusterIssuer/vault", "--dns-name", "canary.example.com"],
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_backend_that_is_not_installed_is_bad_input(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    done = CliRunner().invoke(app, [*words, "--backends", "nowhere"])
    assert done.exit_code == 2
    assert "no installed distribution" in " ".join(done.stderr.replace("│", " ").split())
