"""Output that commands share: JSON, YAML, and errors about their input."""

from __future__ import annotations

import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer

from issuer.cli.options import OutputFormat

_OF_CERTIFICATES: Final = "Attribute's length must be|Parsed a serial number which wasn't positive"
"""Beginnings of warnings of `cryptography` 50 about certificates that it reads."""


@contextmanager
def report_bad_input(exit_code: int, *failures: type[Exception]) -> Iterator[None]:
    """End the command on BadInput, and on `failures`, with the message on standard error.

    What the library says of careless certificates of others is kept from the terminal.
    """
    from issuer.manifests.errors import BadInput

    told: tuple[type[Exception], ...] = (BadInput, *failures)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_OF_CERTIFICATES)
            yield
    except told as error:
        print_error(error)
        raise typer.Exit(exit_code) from error


def print_error(error: Exception | str, label: str = "Error") -> None:
    """Print an error or its message on standard error, a label before each of its lines."""
    from issuer.manifests.text import shown

    for line in str(error).splitlines():
        typer.echo(f"{label}: {shown(line, 4000)}", err=True)


def print_warning(text: str) -> None:
    """Print a warning on standard error."""
    print_error(text, "Warning")


def say_progress(text: str) -> None:
    """Say on standard error what is done next; standard output is the result's."""
    from issuer.manifests.text import shown

    typer.echo(f"... {shown(text)}", err=True)


def agreed(question: str, instead: str = "--yes") -> bool:
    """Return True for a yes on the terminal; without one nothing is agreed to, and `instead` is named."""
    if not sys.stdin.isatty():
        typer.echo(f"No terminal to ask on, so nothing was done. Use {instead}.", err=True)
        return False
    try:
        with interrupted_at_once():
            return typer.confirm(question, err=True)
    except typer.Abort:  # Ctrl-C, or the end of what is typed
        typer.echo("\nNo answer, so nothing was done.", err=True)
        return False


def agreed_to_plan(question: str, *, yes: bool, asks: bool) -> bool:
    """Return True if a plan that was shown is to be carried out: by --yes, or by an answer, where it `asks`.

    Without either a script would take the exit code 0 for done.
    """
    if yes:
        return True
    instead = "--yes, or --dry-run for the plan alone"
    if asks:
        return agreed(question, instead)
    typer.echo(f"Nothing was done. Use {instead}.", err=True)
    return False


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Let Ctrl-C end at once what waits for a person: asyncio's own handler only cancels the task, which
    doesn't end before an answer is typed."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def without_logs() -> Iterator[None]:
    """Keep log lines, such as those of a login, out of what a command prints."""
    import structlog

    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def print_data(value: Any, output: OutputFormat) -> None:
    """Print a value as YAML or JSON, in ASCII: nothing in it reaches a terminal as more than text."""
    if output is OutputFormat.YAML:
        from issuer.manifests.text import to_yaml

        sys.stdout.write(to_yaml(value))
        return
    json.dump(value, sys.stdout, indent=2, ensure_ascii=True)
    sys.stdout.write("\n")
