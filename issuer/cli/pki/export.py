"""`vault-issuer pki export`: a Vault that was set up by hand becomes a pki.yaml."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.pki.options import LEFT, reported

if TYPE_CHECKING:
    from issuer.pki.export.exporting import PkiExport


def export(
    mount: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A PKI mount to export; repeatable. All of them if left out."),
    ] = None,
    auth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="An auth method to export with all its roles; repeatable. If left out: the roles that give "
            "an exported policy, with their methods.",
        ),
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Export the policies and auth roles whose names begin so, and have the file own it. "
            "If left out: the policies that name an exported mount.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the file there, not to standard output."),
    ] = None,
    foundation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write auth methods, policies, audit and roots there, and only the rest to --out.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Write a pki.yaml of what Vault holds, on which pki plan is empty. Writes nothing to Vault.

    What Vault doesn't give back, such as the token that reviews others, is a ${VARIABLE} in the file. What
    the token may not read, and what pki.yaml refuses, such as ACME that is open to anybody, is left out: a
    comment at its place and a line on standard error tell it.

    Vault is named by VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE and VAULT_TOKEN (or BAO_...).

    Exit codes: 0 all of it is in the file, 1 it can't be exported, 3 exported, but for what was left out.

    Examples:

      vault-issuer pki export -o pki.yaml

      vault-issuer pki export --mount pki --mount pki_int --foundation foundation.yaml -o pki.yaml

      vault-issuer pki plan -f foundation.yaml -f pki.yaml
    """
    from issuer.manifests.errors import BadInput
    from issuer.pki.export.choice import ExportChoice
    from issuer.pki.export.exporting import export as exported

    with reported():
        if foundation is not None and out is None:
            raise BadInput("--foundation needs --out FILE for the rest")
        if foundation is not None and out is not None and foundation.absolute() == out.absolute():
            raise BadInput("--foundation and --out name one file; give two, or --out alone")
        for path in (out, foundation):
            if path is not None:
                _check_place(path, force=force)
        choice = ExportChoice(tuple(mount or ()), tuple(auth or ()), prefix)
        found = asyncio.run(exported(os.environ, choice, lambda line: typer.echo(line, err=True)))
        _deliver(found, out, foundation, force=force)
    _report(found)
    raise typer.Exit(0 if found.is_whole else LEFT)


def _check_place(path: Path, *, force: bool) -> None:
    """Refuse before Vault is read what can't be written then. Raises BadInput."""
    from issuer.manifests.errors import BadInput

    try:
        if not path.parent.is_dir():
            raise BadInput(f"{path} can't be written: {path.parent} is not a folder")
        if not force and path.exists():
            raise BadInput(_is_there(path))
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}") from error


def _is_there(path: Path) -> str:
    return f"{path} is there already; give another name, or --force to overwrite it"


def _deliver(found: PkiExport, out: Path | None, foundation: Path | None, *, force: bool) -> None:
    if out is None:
        sys.stdout.write(found.whole)
        return
    if foundation is None:
        _write(out, found.whole, force=force)
        return
    _write(foundation, found.foundation, force=force)
    _write(out, found.rest, force=force)


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write a file whole or not at all; without `force` never over another, though it came meanwhile."""
    from issuer.manifests.errors import BadInput
    from issuer.whole_files import write_whole

    try:
        write_whole(path, text, over=force)
    except FileExistsError as error:
        raise BadInput(_is_there(path)) from error
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}") from error


def _report(found: PkiExport) -> None:
    from issuer.manifests.text import shown

    for line in found.left_out:
        typer.echo(shown(line, 4000), err=True)
    for name, what in found.variables.items():
        typer.echo(f"Set {name} before the file is used: {what}", err=True)
    for line in found.differences:
        typer.echo(f"Differs: {shown(line, 4000)}", err=True)
    counted = ", ".join(f"{number} {what}" for what, number in found.counts.items())
    ending = "differs, see above" if found.differences else "is empty"
    typer.echo(f"{counted}. A plan of the file {ending}.", err=True)
