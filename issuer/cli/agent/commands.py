"""`vault-issuer agent`: certificates on a machine without Kubernetes; options in, steps and exit code out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.agent import machine, showing
from issuer.cli.agent.options import FAILED, AgentGroup, Config, reported, set_logs, state_of
from issuer.cli.agent.out import DnsNames, Mount, Out, PkiPath, RootFingerprint, TokenPath, Ttl, given_file
from issuer.cli.help import Commands
from issuer.cli.output import print_error, print_warning

if TYPE_CHECKING:
    from issuer.agent.config.given import GivenSet
    from issuer.agent.process.agent import Agent

app = Commands(
    name="agent",
    cls=AgentGroup,
    help="""Certificates and CA chains kept fresh on a machine without Kubernetes.

    Begin with the ticket of `vault-issuer enroll`, or with an agent.yaml of your own.

    Examples:
      echo vi1.eyJzZXJ2ZXIi | vault-issuer agent join
      vault-issuer agent check
      vault-issuer agent once
      vault-issuer agent install
    """,
)

app.command("join")(machine.join)
app.command("install")(machine.install)
app.command("status")(showing.status)
app.command("plan")(showing.plan)
app.command("report")(showing.report)
app.command("schema")(showing.schema)

Textfile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write metrics there, for node_exporter's textfile collector."),
]

Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="Answer Prometheus there, at /metrics; without TLS, so on loopback."
    ),
]


@app.command("run")
def run(config: Config = "", textfile: Textfile = None, metrics: Metrics = None) -> None:
    """Keep all sets fresh until told to stop: renew in time, look at the files each minute.

    A changed configuration is read again within seconds, or at SIGHUP. SIGTERM and SIGINT end the agent after
    what is under way.

    Exit codes: 0 told to stop, 1 it can't begin.

    Examples:

      vault-issuer agent run -c /etc/vault-issuer/agent.yaml
    """
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.process.notify import ALIVE, READY, STOPPING, ServiceNotifier
    from issuer.agent.process.running import ConfigurationFile, Running
    from issuer.cli.agent.metrics import measured, need_free, write_metrics

    with reported():
        set_logs("info")
        file = load_agent_file(config)
        need_free(textfile, file, config)
        watched = ConfigurationFile(config, load_agent_file, file)
        service = ServiceNotifier(os.environ)
        seen: list[Agent] = []

        def looked(agent: Agent) -> None:
            seen[:] = [agent]
            write_metrics(textfile, agent)

        running = Running(
            file,
            state_of(file, config),
            watched.changed,
            looked,
            lambda: service.send(ALIVE),
        )

        def stop() -> None:
            service.send(STOPPING)
            running.stop()

        work = running.run(lambda: service.send(READY))
        asyncio.run(_until_told(measured(work, metrics, seen), stop, running.reread))


@app.command("once")
def once(
    config: Config = "",
    textfile: Textfile = None,
    out: Out = None,
    path: PkiPath = "",
    dns_name: DnsNames = None,
    ttl: Ttl = "",
    token_file: TokenPath = None,
    mount: Mount = "",
    root_fingerprint: RootFingerprint = "",
) -> None:
    """Look at all sets once, renew what is due, and end: for cron and timers.

    With --out one set, of a path or of a mount's CAs, needs no configuration.

    Exit codes: 0 all is fresh, 1 something failed.

    Examples:

      vault-issuer agent once -c agent.yaml

      vault-issuer agent once --out /etc/tls/w --path pki_int/sign/web --dns-name w.example.com --token-file T

      vault-issuer agent once --out /etc/tls/ca --mount pki_int --root-fingerprint AB:CD:...
    """
    if out is None and (path or mount):
        raise typer.BadParameter("--path and --mount need --out")
    with_path = bool(dns_name or ttl or token_file)
    if (with_path and not path) or (root_fingerprint and not mount):
        raise typer.BadParameter(
            "--dns-name, --ttl and --token-file need --path; --root-fingerprint needs --mount"
        )
    if out is not None and bool(path) == bool(mount):
        raise typer.BadParameter("--out needs --path or --mount, and not both")
    from issuer.agent.config.reading import load_agent_file
    from issuer.cli.agent.acting import look_once

    with reported():
        if out is None:
            failed = asyncio.run(look_once(load_agent_file(config), config, None, textfile))
        else:
            from issuer.agent.config.given import GivenSet

            token = None if token_file is None else token_file.absolute()
            given = GivenSet(out.absolute(), path, tuple(dns_name or ()), ttl, token, mount, root_fingerprint)
            failed = asyncio.run(_look_once_given(given, textfile))
    raise typer.Exit(FAILED if failed else 0)


@app.command("renew")
def renew(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The set's name.")],
    config: Config = "",
) -> None:
    """Renew one set now, whether it is due or not. A running agent takes the new files over.

    Exit codes: 0 renewed, 1 not.

    Examples:

      vault-issuer agent renew web -c agent.yaml
    """
    from issuer.agent.config.reading import load_agent_file
    from issuer.cli.agent.acting import look_once

    with reported():
        failed = asyncio.run(look_once(load_agent_file(config), config, name, None))
    raise typer.Exit(FAILED if failed else 0)


@app.command("check")
def check(config: Config = "") -> None:
    """Try everything but the signing and the hooks: configuration, folders, TLS, login, role, CAs, consumers.

    Exit codes: 0 all of it works, 1 something doesn't.

    Examples:

      vault-issuer agent check -c agent.yaml
    """
    from issuer.cli.agent.acting import check_all

    with reported():
        findings = asyncio.run(check_all(config))
    for line in findings.warnings:
        print_warning(line)
    for line in findings.problems:
        print_error(line)
    if not findings.problems:
        typer.echo("All of it works: folders, TLS, login, role, CAs and consumers.")
    raise typer.Exit(FAILED if findings.problems else 0)


@app.command("deliver")
def deliver(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The set's name.")],
    json: Annotated[
        str, typer.Option(metavar="FILE", help="JSON of Vault's answer, or its data; - for standard input.")
    ] = "-",
    config: Config = "",
) -> None:
    """Take over what something else asked Vault for, such as vault-agent: verify, write, tell consumers.

    With a private key it is a certificate, without one CAs alone. The set has `delivered: true`.

    Exit codes: 0 written and told, 1 not.

    Examples:

      vault-issuer agent deliver web --json - < answer.json
    """
    from issuer.cli.agent.acting import deliver_answer

    with reported():
        failed = asyncio.run(deliver_answer(name, json, config))
    raise typer.Exit(FAILED if failed else 0)


async def _look_once_given(given: GivenSet, textfile: Path | None) -> bool:
    """Look at the one set that the options give. The folder stands for the configuration's name."""
    from issuer.cli.agent.acting import look_once

    return await look_once(await given_file(given), str(given.folder), None, textfile)


async def _until_told(
    work: Coroutine[None, None, None], stop: Callable[[], None], reread: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if not os.isatty(0):  # of a terminal that was closed it means the end
        loop.add_signal_handler(signal.SIGHUP, reread)
    await work
