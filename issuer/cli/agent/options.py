"""Options, places and exit codes that the commands of `vault-issuer agent` share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.help import HelpfulGroup
from issuer.cli.output import report_bad_input

if TYPE_CHECKING:
    from issuer.agent.config.model import AgentFile

FAILED: Final = 1
DUE: Final = 2
DEFAULT_FILE: Final = "/etc/vault-issuer/agent.yaml"


class AgentGroup(HelpfulGroup):
    """Group of commands whose usage errors exit with 1: 2 means that `plan` has something that is due."""

    usage_exit_code = FAILED


def usual_file(environment: Mapping[str, str]) -> str:
    """Return the configuration's usual place: root's, or one in the user's home."""
    if os.geteuid() == 0:
        return DEFAULT_FILE
    base = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '/nonexistent'}/.config"
    return f"{base}/vault-issuer/agent.yaml"


def found_file(environment: Mapping[str, str]) -> str:
    """Return where commands look for the configuration: the user's own file if it is there, else root's."""
    own = usual_file(environment)
    return own if Path(own).exists() else DEFAULT_FILE


Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"The agent's configuration; - for standard input. Default: {DEFAULT_FILE}, or a user's own "
        "~/.config/vault-issuer/agent.yaml where that is there.",
        callback=lambda given: given or found_file(os.environ),
    ),
]


def state_of(file: AgentFile, config: str) -> Path:
    """Return the state folder of a configuration."""
    from issuer.agent.config.state import state_folder

    return state_folder(file.state_folder, os.environ, config)


@contextmanager
def reported() -> Iterator[None]:
    """End the command with code 1 on bad input and on failures, with their message on standard error.

    Of the log only errors are shown: a command prints what there is to say.
    """
    from issuer.agent.errors import AgentError
    from issuer.vault.errors import VaultError

    set_logs("error")
    with report_bad_input(FAILED, AgentError, VaultError):
        yield


def set_logs(level: str) -> None:
    """Write logs of `level` and above to standard error, as text or as journald wants it.

    Without this structlog prints all of them on standard output.
    """
    from issuer.telemetry import logs
    from issuer.telemetry.journal import writes_to_journal

    logs.configure("journal" if writes_to_journal(os.environ) else "console", level)
