"""Exit codes of bad input, in every command: 2, or the group's own where 2 is an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from tests.unit.cli.test_help import ALL

OTHERS: Final = {"agent": 1, "enroll": 1, "pki": 1, "policy": 3}
"""Code of bad input where 2 is an answer: something to do, found, or `Unprocessed`."""

UNREADABLE: Final = {
    "agent": ["agent", "check", "--config"],
    "agent plan": ["agent", "plan", "--config"],
    "canary": ["canary", "VaultClusterIssuer/vault", "--dns-name=a.example.com", "--ca-file"],
    "explain": ["explain", "csr/one", "--kubeconfig"],
    "migrate": ["migrate", "-f"],
    "pki plan": ["pki", "plan", "-f"],
    "policy explain": ["policy", "explain", "-f"],
    "policy test": ["policy", "test"],
    "policy lint": ["policy", "lint"],
    "ready": ["ready", "--issuer=VaultClusterIssuer/vault", "--kubeconfig"],
    "renew": ["renew", "web", "--kubeconfig"],
    "revocation": ["revocation", "release", "--kubeconfig"],
    "status": ["status", "--kubeconfig"],
}


def code_of(words: tuple[str, ...] | list[str]) -> int:
    return OTHERS.get(words[0], 2) if words else 2


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_a_wrong_option_has_the_code_of_bad_input(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--no-such-option"])
    assert done.exit_code == code_of(words), done.output


@pytest.mark.parametrize("words", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_not_there_has_the_code_of_bad_input(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.cli.agent.options.set_logs", lambda _: None)  # else other tests' logs, too
    done = CliRunner().invoke(app, [*words, str(tmp_path / "none.yaml")])
    assert done.exit_code == code_of(words), done.output


def test_a_wrong_choice_of_options_has_the_code_of_bad_input() -> None:
    assert CliRunner().invoke(app, ["enroll", "nas.example.com", "--lock", "--remove"]).exit_code == 1


def test_every_command_has_its_line_in_the_table() -> None:
    table = (
        (Path(__file__).parents[3] / "docs/cli.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    )
    rows = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    named = {words for words in ALL if words and not hasattr(ALL[words], "commands")}
    missing = [words for words in named if not {" ".join(words), words[0]} & rows]
    assert not missing


@pytest.mark.parametrize(("words", "code"), [(["inventory", "--no-cluster"], 2), (["pki", "health"], 1)])
def test_a_server_that_cant_be_reached_is_named(words: list[str], code: int) -> None:
    address = "https://127.0.0.1:1"
    done = CliRunner().invoke(app, words, env={"BAO_ADDR": None, "VAULT_ADDR": address, "VAULT_TOKEN": "t"})
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (code, f"VAULT_ADDR is {address}")
