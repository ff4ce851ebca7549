"""`vault-issuer pki verify`: what stands in Vault, held against the file."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.options import Format, OutputFormat
from issuer.cli.output import print_data
from issuer.cli.pki_options import CHANGES, LEFT, Files, PartChoice, PartOption, parts_of, reported

if TYPE_CHECKING:
    from collections.abc import Collection

    from issuer.pki.file.model import Part
    from issuer.pki.verify.item import Verification


def verify(
    file: Files,
    part: PartOption = PartChoice.ALL,
    token_role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make the trial tokens by this token role (auth/token/create/NAME), so that your own token "
            "need not hold the policies.",
        ),
    ] = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Read everything of the file back from Vault, and try each policy by a token that has it alone.

    Each CA's chain, dates, key and pointers are checked, and its signer's list. A trial token is a batch
    token that ends after 60 seconds; the calls made with it are refused either way, so nothing is signed.

    Exit codes: 0 everything stands, 1 it can't be verified, 2 something differs or is missing, 3 what was
    checked stands, but not everything could be checked.

    Examples:

      vault-issuer pki verify -f pki.yaml

      vault-issuer pki verify -f pki.yaml --token-role vault-issuer-verify -o json
    """
    with reported():
        found = asyncio.run(_verify(file, parts_of(part), token_role))
    if output is not OutputFormat.TABLE:
        print_data(found.to_json(), output)
    else:
        from issuer.pki.verify.show import show_verification
        from issuer.terminal.console import console

        show_verification(found, console())
    if found.is_wrong:
        raise typer.Exit(CHANGES)
    raise typer.Exit(0 if found.is_whole else LEFT)


async def _verify(files: list[str], parts: Collection[Part], token_role: str | None) -> Verification:
    from issuer.pki.session import opened

    async with opened(files, os.environ, parts) as session:
        return await session.verify(_progress, token_role)


def _progress(text: str) -> None:
    """Say on standard error, a line each, what is done next; standard output is the result's."""
    from issuer.manifests.text import shown

    typer.echo(f"... {shown(text)}", err=True)
