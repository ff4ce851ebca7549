"""Output that commands share: JSON, YAML, and errors about their input."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from issuer.cli.options import OutputFormat


@contextmanager
def report_bad_input(exit_code: int) -> Iterator[None]:
    """End the command on BadInput, with its message on standard error, line by line."""
    from issuer.manifests.errors import BadInput
    from issuer.manifests.text import shown

    try:
        yield
    except BadInput as error:
        for line in str(error).splitlines():
            typer.echo(f"Error: {shown(line, 4000)}", err=True)
        raise typer.Exit(exit_code) from error


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
