"""Advice of `explain` and `policy explain`, printed for `kubectl apply`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from issuer.explain.advice import Advice


def print_yaml_only(advice: Iterable[Advice], exit_code: int) -> None:
    """Print the YAML of the first advice that has whole objects, for `kubectl apply`, and end the command.

    Exit code 0; without any, `exit_code` with what there is to do on standard error.
    """
    from issuer.manifests.text import shown

    found = list(advice)
    first = next((one for one in found if one.whole), None)
    if first is not None:
        lines = textwrap.wrap(shown(first.text, 2000), 98, break_long_words=False, break_on_hyphens=False)
        sys.stdout.write("".join(f"# {line}\n" for line in lines) + first.whole)
        raise typer.Exit
    for one in found:
        typer.echo(shown(one.text, 2000), err=True)
    typer.echo("There is no YAML to apply.", err=True)
    raise typer.Exit(exit_code)
