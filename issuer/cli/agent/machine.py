"""`vault-issuer agent join` and `install`: a machine takes its ticket, and gets a service; options in,
sentences and exit code out."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.agent.options import FAILED, found_file, reported, state_of, usual_file
from issuer.cli.output import interrupted_at_once, print_error

if TYPE_CHECKING:
    from issuer.agent.process.units import AgentService


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
        print_error(line)
    raise typer.Exit(FAILED if problems else 0)


class ServiceKind(StrEnum):
    """Service managers that a definition can be printed for."""

    SYSTEMD = "systemd"
    CRON = "cron"
    LAUNCHD = "launchd"


def install(
    config: Annotated[
        str, typer.Option("--config", "-c", metavar="FILE", help="The agent's configuration.")
    ] = "",
    user: Annotated[
        str, typer.Option("--as", metavar="USER", help="As root: the user that the service runs as.")
    ] = "",
    text: Annotated[
        ServiceKind | None, typer.Option("--print", help="Print a definition and write nothing.")
    ] = None,
) -> None:
    """Write a systemd unit that runs the agent: hardened as root, else a minimal one of your own manager.

    Nothing is started: the commands for that are printed, with a reminder of lingering, without which a
    user's units end when the user logs out.

    Exit codes: 0 written and verified, 1 not.

    Examples:

      vault-issuer agent install

      vault-issuer agent install --print cron
    """
    with reported():
        code = _install(Path(config or usual_file(os.environ)).absolute(), user, text)
    raise typer.Exit(code)


def _install(config: Path, user: str, text: ServiceKind | None) -> int:
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.files.writing import write_file
    from issuer.agent.process import units
    from issuer.agent.process.serviceuser import service_user

    file = load_agent_file(str(config))
    is_root = os.geteuid() == 0
    own = "" if str(config) == usual_file(os.environ) else f"-{config.stem}"
    slowest = units.longest_hook(file)
    service = units.AgentService(_program(), config, f"vault-issuer-agent{own}", slowest)
    runs_as = service_user(user) if is_root or user else None
    if runs_as is None:
        unit = units.user_unit(service)
    else:
        state = runs_as.state_of(file, config)
        looks = units.looks_into_processes(file)
        folders = units.written_folders(file, state)
        unit = units.system_unit(service, runs_as.name, folders, looks_into_processes=looks)
    if text is not None:
        typer.echo(_definition(service, text, unit), nl=False)
        return 0
    problems: tuple[str, ...] = ()
    if runs_as is not None:
        problems = (*runs_as.prepare(folders.every, state), *runs_as.unreadable(file, config))
    place = _unit_folder() / f"{service.name}.service"
    write_file(place, unit.encode(), 0o644)
    typer.echo(f"{place}: written")
    problem = _verify(place, is_root)
    if problem:
        print_error(f"systemd-analyze verify: {problem}")
        return FAILED
    for line in problems:
        print_error(line)
    if problems:
        return FAILED
    if runs_as is not None and (moved := runs_as.left_behind(file, config)):
        typer.echo(moved)
    systemctl = "systemctl" if is_root else "systemctl --user"
    typer.echo(f"To start it:  {systemctl} daemon-reload && {systemctl} enable --now {place.name}")
    if not is_root and not Path("/var/lib/systemd/linger", _user_name()).exists():
        typer.echo(f"To keep it running when you log out:  sudo loginctl enable-linger {_user_name()}")
    return 0


def _definition(service: AgentService, kind: ServiceKind, unit: str) -> str:
    from issuer.agent.process import units
    from issuer.agent.process.agent import machine_name
    from issuer.agent.renewal.schedule import spread

    if kind is ServiceKind.CRON:
        return units.cron_line(service, spread(machine_name(), service.name))
    if kind is ServiceKind.LAUNCHD:
        logs = Path("/var/log") if os.geteuid() == 0 else Path.home() / "Library" / "Logs"
        return units.launchd_plist(service, logs / f"{service.name}.log")
    return unit


def _verify(unit: Path, is_root: bool) -> str:
    """Return what systemd says against a unit, empty if nothing, or if there is no systemd to ask."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return ""
    scope = "--system" if is_root else "--user"
    ran = subprocess.run(  # noqa: S603  # systemd's own, with a path that was just written
        [program, scope, "--man=no", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    mine = [line for line in ran.stderr.splitlines() if unit.name in line]
    return " ".join(mine)[:2000]


def _program() -> tuple[str, ...]:
    """Return the words that start this command again: its script, or Python with a zip file."""
    own = Path(sys.argv[0]).resolve()
    if own.is_file() and os.access(own, os.X_OK) and own.suffix != ".py":
        return (str(own),)
    if zipfile.is_zipfile(own):
        return (sys.executable, str(own))
    found = shutil.which("vault-issuer")
    return (found,) if found else (sys.executable, "-m", "issuer")


def _unit_folder() -> Path:
    if os.geteuid() == 0:
        return Path("/etc/systemd/system")
    base = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME') or '/nonexistent'}/.config"
    return Path(base) / "systemd" / "user"


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


async def _join(config: Path, folder: Path | None) -> list[str]:
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.errors import AgentError
    from issuer.agent.login.ticket import read_ticket
    from issuer.agent.process.agent import opened_agent
    from issuer.agent.process.joining import JoinPlaces, take_secret_id, write_configuration
    from issuer.vault.errors import VaultError

    if sys.stdin.isatty():
        typer.echo("Waiting for the ticket: paste it, then press Enter and Ctrl-D", err=True)
    with interrupted_at_once():
        ticket = read_ticket(sys.stdin.read())
    places = JoinPlaces(config, (folder or _tls_folder() / ticket.host).absolute())
    written = await write_configuration(ticket, places)
    typer.echo(f"{config}: {'written' if written else 'was there and is kept'}")
    file = load_agent_file(str(config))
    state = state_of(file, str(config))
    try:
        await take_secret_id(ticket, file, state)
    except (AgentError, VaultError):
        if written:  # else the next ticket, perhaps of another machine or server, would stop at it
            os.unlink(config)  # noqa: PTH108  # nothing else runs in this loop
            typer.echo(f"{config}: removed again")
        raise
    typer.echo("The secret ID was unwrapped; nobody else can use the ticket any more.")
    async with opened_agent(file, state) as agent:
        await agent.keep_login()
        problems = (await agent.check()).problems
    if not problems:
        given = "" if str(config) == found_file(os.environ) else f" -c {config}"
        typer.echo(f"The login works. Next: vault-issuer agent once{given}")
        typer.echo(f"      and for good: vault-issuer agent install{given}")
    return problems


def _tls_folder() -> Path:
    return Path("/etc/tls") if os.geteuid() == 0 else Path.home() / "tls"
