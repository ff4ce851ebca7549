"""`vault-issuer agent join`: a machine takes its ticket; options in, sentences and exit code out."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from issuer.cli.agent_options import DEFAULT_FILE, FAILED, reported, state_of, usual_file


def join(
    config: Annotated[
        str,
        typer.Option("--config", "-c", metavar="FILE", help="Written if it isn't there; kept if it is."),
    ] = "",
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For the certificate; by default /etc/tls/HOST or ~/tls/HOST."),
    ] = None,
) -> None:
    """Take the ticket of `vault-issuer enroll`, from standard input: CA, configuration, first secret ID.

    As root in /etc/vault-issuer, otherwise in ~/.config/vault-issuer. Afterwards the login is tried. A second
    ticket, of `enroll --renew`, gives a new secret ID and leaves the configuration.

    Exit codes: 0 the login works, 1 not.

    Examples:

      echo vi1.eyJzZXJ2ZXIi | vault-issuer agent join
    """
    with reported():
        problems = asyncio.run(_join(Path(config or usual_file(os.environ)).absolute(), folder))
    for line in problems:
        typer.echo(f"Error: {line}", err=True)
    raise typer.Exit(FAILED if problems else 0)


async def _join(config: Path, folder: Path | None) -> list[str]:
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.login.ticket import read_ticket
    from issuer.agent.process.agent import opened_agent
    from issuer.agent.process.joining import JoinPlaces, take_secret_id, write_configuration

    ticket = read_ticket(sys.stdin.read())
    places = JoinPlaces(config, (folder or _tls_folder() / ticket.host).absolute())
    written = await write_configuration(ticket, places)
    typer.echo(f"{config}: {'written' if written else 'was there and is kept'}")
    file = load_agent_file(str(config))
    state = state_of(file, str(config))
    await take_secret_id(ticket, file, state)
    typer.echo("The secret ID was unwrapped; nobody else can use the ticket any more.")
    async with opened_agent(file, state) as agent:
        await agent.keep_login()
        problems = await agent.check()
    if not problems:
        given = "" if str(config) == DEFAULT_FILE else f" -c {config}"
        typer.echo(f"The login works. Next: vault-issuer agent once{given}")
        typer.echo(f"      and for good: vault-issuer agent install{given}")
    return problems


def _tls_folder() -> Path:
    return Path("/etc/tls") if os.geteuid() == 0 else Path.home() / "tls"
