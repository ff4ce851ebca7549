"""The plugin of kubectl: its name in what it prints, and how it completes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.completing import answer_kubectl
from issuer.cli.main import app

COMMANDS = ["explain", "inspect", "renew", "status", "canary", "migrate", "ready"]
# A process costs a third of a second, most of it imports: one makes all calls of an entry point.
CALLS = """
import contextlib, io, json, sys
from issuer.cli import kubectl

def printed(words):
    sys.argv[1:] = words
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            getattr(kubectl, entry)()
        except SystemExit as end:
            assert not end.code, end.code
    return output.getvalue()

_, entry, calls = sys.argv
print(json.dumps([printed(words) for words in json.loads(calls)]))
"""


def run(entry: str, *calls: Sequence[str]) -> list[str]:
    """Return what an entry point prints for each of these arguments."""
    words = [sys.executable, "-c", CALLS, entry, json.dumps(calls)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [str(one) for one in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def usages() -> Mapping[str, str]:
    """What `--help` of each command says."""
    return dict(zip(COMMANDS, run("plugin", *([one, "--help"] for one in COMMANDS)), strict=True))


def test_usage_names_the_plugin_as_kubectl_runs_it(usages: Mapping[str, str]) -> None:
    assert "kubectl vault-issuer inspect" in " ".join(usages["inspect"].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_to_be_typed_as_the_plugin_was(usages: Mapping[str, str], command: str) -> None:
    examples = usages[command].partition("Example")[2].partition("\n\n")[0]
    lines = examples.splitlines()[1:]
    assert lines
    assert all("kubectl vault-issuer " in line for line in lines)


def test_commands_are_completed_with_their_help_and_cobras_directive() -> None:
    [told] = run("complete", ["ins"])
    lines = told.splitlines()
    assert lines[-1] == ":4"
    assert [line.partition("\t")[0] for line in lines[:-1]] == ["inspect"]
    assert lines[0].partition("\t")[2].startswith("Show what a request, Certificate")


def test_options_are_completed_and_what_has_no_completions_is_left_to_the_shell() -> None:
    options, nothing, commands = run("complete", ["status", "--name"], ["policy", "lint", ""], [""])
    assert "--namespace" in options
    assert nothing == ":0\n"
    assert "status" in commands


def test_names_are_not_completed_without_a_cluster_and_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for name in ("_VAULT_ISSUER_KUBECTL_COMPLETE", "_TYPER_COMPLETE_FISH_ACTION", "_TYPER_COMPLETE_ARGS"):
        monkeypatch.setenv(name, "")  # put back afterwards
    assert answer_kubectl(app, ["inspect", "web"]) == ":0\n"
    kinds = answer_kubectl(app, ["renew", "--issuer", "vaultc"])
    assert kinds.splitlines()[0].startswith("vaultclusterissuer/")
    kinds = answer_kubectl(app, ["renew", "--issuer", "VaultC"])
    assert kinds.splitlines()[0].startswith("VaultClusterIssuer/")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("command", ["status", "inspect", "explain"])
def test_without_a_cluster_the_exit_code_says_bad_input(command: str) -> None:
    words = [command, *(["one"] if command != "status" else []), "--kubeconfig", "/no/such/file"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "no cluster" in done.stderr


def test_options_that_exclude_each_other_are_bad_input() -> None:
    done = CliRunner().invoke(app, ["status", "-n", "team-a", "-A"])
    assert done.exit_code == 2
    assert "exclude each other" in " ".join(done.stderr.split())
