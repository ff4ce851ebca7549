"""`vault-issuer pki verify`, `health` and `rights`: Vault looked at, and not changed."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.options import Format, OutputFormat
from issuer.cli.output import print_data, say_progress
from issuer.cli.pki.options import (
    CHANGES,
    LEFT,
    Files,
    PartChoice,
    PartOption,
    nothing_named,
    parts_of,
    reported,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from issuer.pki.file.model import Part
    from issuer.pki.health.finding import HealthReport
    from issuer.pki.session import HealthWish
    from issuer.pki.verify.item import Verification


class Command(StrEnum):
    """Commands whose rights are printed."""

    PLAN = "plan"
    APPLY = "apply"
    VERIFY = "verify"
    HEALTH = "health"
    INVENTORY = "inventory"
    REVOKE = "revoke"
    ROTATE = "rotate"


class Grade(StrEnum):
    """Severities at which a health check fails."""

    INFORMATIONAL = "informational"
    WARNING = "warning"
    CRITICAL = "critical"


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
        if not found.items:
            raise nothing_named(file, parts_of(part), "verify")
    if output is not OutputFormat.TABLE:
        print_data(found.to_json(), output)
    else:
        from issuer.pki.verify.show import show_verification
        from issuer.terminal.console import console

        show_verification(found, console())
    if found.is_wrong:
        raise typer.Exit(CHANGES)
    raise typer.Exit(0 if found.is_whole else LEFT)


def health(
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="pki.yaml, whose mounts, auth methods and policies are looked at; repeatable. Default: all "
            "that Vault has.",
        ),
    ] = None,
    mount: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Look at this PKI mount alone. Repeatable."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--health-config",
            metavar="FILE",
            help="Thresholds as JSON, in the form of bao pki health-check -health-config.",
        ),
    ] = None,
    urls: Annotated[
        bool,
        typer.Option("--urls/--no-urls", help="Fetch the URLs that certificates carry."),
    ] = True,
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write metrics there, for the textfile collector of Prometheus' node_exporter.",
        ),
    ] = None,
    fail_on: Annotated[
        Grade, typer.Option("--fail-on", help="Exit with 2 from this severity on.")
    ] = Grade.WARNING,
    everything: Annotated[
        bool, typer.Option("--all", help="Also show what is in order, and what doesn't apply.")
    ] = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Look for what breaks a PKI later: CAs and CRLs that expire, URLs that don't answer, open roles.

    Makes the 14 checks of bao pki health-check, by their names, and others: URLs of CAs, CRLs and OCSP
    responders, CRLs of offline roots, lifetimes, names, auth roles, policies, clocks. Each finding has the
    lines of pki.yaml that mend it. Changes nothing in Vault.

    Exit codes: 0 nothing as grave as --fail-on, 1 it can't be checked, 2 findings, 3 no findings, but not
    everything could be checked.

    Examples:

      vault-issuer pki health

      vault-issuer pki health -f pki.yaml --textfile /var/lib/node_exporter/pki.prom

      vault-issuer pki health --mount pki_int --no-urls -o json
    """
    from issuer.pki.health.finding import Gravity
    from issuer.pki.health.parameters import read_parameters

    with reported():
        from issuer.pki.session import HealthWish

        wish = HealthWish(read_parameters(config), tuple(mount or ()), urls)
        found = asyncio.run(_health(file or [], wish))
        if textfile is not None:
            from issuer.pki.health.textfile import write_textfile

            write_textfile(found, textfile)
    if output is not OutputFormat.TABLE:
        print_data(found.to_json(), output)
    else:
        from issuer.pki.health.show import show_report
        from issuer.terminal.console import console

        show_report(found, console(), everything=everything)
    if found.worst.rank >= Gravity(fail_on.value).rank:
        raise typer.Exit(CHANGES)
    raise typer.Exit(LEFT if found.count(Gravity.NOT_CHECKED) else 0)


def rights(
    command: Annotated[
        Command,
        typer.Argument(help="plan, apply, verify, health, inventory, revoke or rotate.", metavar="COMMAND"),
    ],
    file: Files,
    part: PartOption = PartChoice.ALL,
    prune: Annotated[bool, typer.Option("--prune", help="As for pki plan --prune.")] = False,
    token_role: Annotated[
        str | None, typer.Option(metavar="NAME", help="As for pki verify --token-role.")
    ] = None,
) -> None:
    """Print the least policy with which a command reads all that the file names; apply and rotate change it.

    Nothing is asked of Vault. Without --token-role, the token of verify must hold the file's policies, too:
    Vault makes no token with more than its maker has.

    Examples:

      vault-issuer pki rights plan -f pki.yaml

      vault-issuer pki rights apply -f pki.yaml --part automation

      vault-issuer pki rights verify -f pki.yaml --token-role vault-issuer-verify

      vault-issuer pki rights rotate -f pki.yaml
    """
    with reported():
        from issuer.pki.file.reading import load
        from issuer.pki.rights import PkiCommand, rights_for, trial_role
        from issuer.pki.session import plan_input

        given = plan_input(load(file, os.environ, parts_of(part)), parts_of(part), prune=prune)
        text = rights_for(PkiCommand(command.value), given, token_role)
        if token_role is not None:
            text = trial_role(given.file, token_role) + text
    typer.echo(text, nl=False)


async def _health(files: list[str], wish: HealthWish) -> HealthReport:
    from issuer.pki.session import reached

    async with reached(files, os.environ) as session:
        return await session.run(wish, say_progress)


async def _verify(files: list[str], parts: Collection[Part], token_role: str | None) -> Verification:
    from issuer.pki.session import opened

    async with opened(files, os.environ, parts) as session:
        return await session.verify(say_progress, token_role)
