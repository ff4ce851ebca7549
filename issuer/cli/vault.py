"""Options and errors that commands share which ask Vault or OpenBao."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from issuer.cli.output import print_error, report_bad_input

BAD_INPUT: Final = 2
"""Exit code of `inventory`, `revoke` and `crl` for bad input, and where Vault can't be read."""

Mounts = Annotated[
    list[str] | None,
    typer.Option("--mount", metavar="PATH", help="This PKI mount alone. Repeatable. Default: all."),
]


def note_unheeded(more: Mapping[str, str] | None = None) -> None:
    """Print a note on each variable that is set and not obeyed; see `vault.environment.unheeded`."""
    from issuer.vault.environment import unheeded

    for line in unheeded(os.environ, more):
        typer.echo(f"Note: {line}", err=True)


@contextmanager
def reported(exit_code: int) -> Iterator[None]:
    """End the command on bad input and failures, with their message on standard error."""
    from issuer.pki.errors import PkiError, VaultNotUsable
    from issuer.vault.errors import VaultError

    note_unheeded()
    with report_bad_input(exit_code, PkiError, VaultError):
        try:
            yield
        except VaultNotUsable as error:
            print_error(error)
            _say_which_server()
            raise typer.Exit(exit_code) from error


def _say_which_server() -> None:
    """Print the address that was called: a shell keeps that of the day before."""
    from issuer.manifests.text import shown

    for name in ("BAO_ADDR", "VAULT_ADDR"):
        if address := os.environ.get(name):
            typer.echo(f"{name} is {shown(address, 300)}", err=True)
            return
