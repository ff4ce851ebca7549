"""Help of every command: whole names, whole examples, nothing read as markup, at any width."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner
from typer.utils import get_params_from_function

from issuer.cli.help import Commands, HelpfulCommand, HelpfulGroup
from issuer.cli.main import app

PLUGIN = "from issuer.cli import kubectl; kubectl.plugin()"
RUN = "from issuer.cli.main import main; main()"


def commands(command: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command and group below one, with the words that call it."""
    yield words, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from commands(inner, *words, name)


ALL = dict(commands(typer.main.get_command(app)))
IDS = [" ".join(words) or "vault-issuer" for words in ALL]


def help_of(words: tuple[str, ...], columns: str, option: str = "--help") -> str:
    done = CliRunner().invoke(app, [*words, option], env={"COLUMNS": columns, "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return done.stdout


def examples(command: Any) -> list[str]:
    """The lines of a docstring that are examples."""
    return [line for line in textwrap.dedent(command.help or "").splitlines() if line.startswith("  ")]


@pytest.mark.parametrize("words", ALL, ids=IDS)
def test_every_command_has_this_help(words: tuple[str, ...]) -> None:
    assert isinstance(ALL[words], HelpfulCommand | HelpfulGroup), "make it with issuer.cli.help.Commands"
    assert help_of(words, "80", "-h") == help_of(words, "80")


def test_a_command_reads_no_options_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(function: Any) -> Any:
        params = get_params_from_function(function)
        if params:
            read.append(function.__name__)
        return params

    monkeypatch.setattr("typer.main.get_params_from_function", noted)
    command: Any = typer.main.get_command(app)
    with pytest.raises(SystemExit):
        command(["revocation", "--help"])
    groups = set(read)
    assert not groups & {"controller", "ready", "release_requests"}
    with pytest.raises(SystemExit):
        command(["revocation", "release", "--help"])
    assert set(read) - groups == {"release_requests"}


@pytest.mark.parametrize("columns", ["80", "60", "200", ""])
@pytest.mark.parametrize("words", ALL, ids=IDS)
def test_no_option_is_cut_and_examples_stay_whole(words: tuple[str, ...], columns: str) -> None:
    lines = help_of(words, columns).splitlines()
    seen = set(re.findall(r"(?<!\S)--?[A-Za-z][a-z0-9-]*", "\n".join(lines)))
    assert {
        name for one in ALL[words].params for name in (*one.opts, *one.secondary_opts) if name[0] == "-"
    } <= seen
    whole = examples(ALL[words])
    assert [line for line in whole if line not in lines] == []
    width = min(int(columns or 80), 100)
    assert [line for line in lines if len(line) > width and line not in whole and len(line.split()) > 1] == []
    assert not set("".join(lines)) & set("│╭╰…")


@pytest.mark.parametrize("words", ALL, ids=IDS)
def test_every_word_of_the_help_is_there(words: tuple[str, ...]) -> None:
    text = " ".join(help_of(words, "80").split())
    command = ALL[words]
    told = [command.help or "", *(one.help or "" for one in command.params)]
    assert [one for one in told if " ".join(one.split()) not in text] == []


@pytest.mark.parametrize("words", ALL, ids=IDS)
def test_paragraphs_flow(words: tuple[str, ...]) -> None:
    """A line of a paragraph ends because the next word doesn't fit, not where the docstring broke it."""
    lines = help_of(words, "80").splitlines()
    for line, following in itertools.pairwise(lines):
        if (
            line
            and following
            and not line.startswith(("  ", "Usage:", "Commands:", "Options:", "Arguments:", "Exam"))
        ):
            assert len(line) + 1 + len(following.split()[0]) > 80, line


def test_pipes_get_the_same_as_terminals_of_80_columns() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "controller", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": ""},
    )
    assert done.stdout.replace("Usage: -c", "Usage: vault-issuer") == help_of(("controller",), "80")
    assert "pip install 'vault-issuer[tracing]'" in " ".join(done.stdout.split())


def test_brackets_and_colons_are_text() -> None:
    odd = Commands(name="odd", help="A serial 1f:ab:02 and [tracing].")

    @odd.command("one", help="Also :smile: and [bold]this[/bold].")
    def one(it: str = typer.Option("", help="Of :ab: and [extra].")) -> None: ...

    odd.command("two")(lambda: None)
    told = CliRunner().invoke(odd, ["-h"]).stdout + CliRunner().invoke(odd, ["one", "-h"]).stdout
    for text in ("1f:ab:02 and [tracing]", "Also :smile: and [bold]this[/bold].", "Of :ab: and [extra]."):
        assert text in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "-o", "xml"], "'--output' / '-o': give table, json or yaml."),
        (["controller", "--workers", "0"], "'--workers': give a number from 1 to 1024."),
        (["controller", "--log-level", "loud"], "give debug, info, warning or error."),
        (["controller", "--shutdown-grace", "-1"], "give a number of at least 0."),
        (["stauts"], "No such command 'stauts'. Did you mean 'status'?"),
        (["inspect"], "Missing argument"),
    ],
)
def test_errors_name_the_choices(words: list[str], said: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Value error" not in done.stderr


def test_kubectls_plugin_shows_examples_as_it_is_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLUGIN, "policy", "explain", "-h"], capture_output=True, text=True, check=True
    )
    assert "  kubectl vault-issuer policy explain -f certificate.yaml" in done.stdout
    assert "-o yaml | kubectl vault-issuer policy explain -f -" in done.stdout
    assert "kubectl kubectl" not in done.stdout
    assert not re.search(r"(?<!kubectl )vault-issuer (policy|status|explain)", done.stdout)


def test_results_come_as_yaml_too(tmp_path: Any) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "{apiVersion: vault-issuer.io/v1alpha1, kind: CertificateRequestPolicy, metadata: {name: a}}"
    )
    done = CliRunner().invoke(app, ["policy", "lint", str(policy), "-o", "yaml"])
    assert done.stdout.startswith("policies: 1\nfindings:\n")
