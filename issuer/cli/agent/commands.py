"""`vault-issuer agent`: certificates on a machine without Kubernetes; options in, steps and exit code out."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.agent import machine, showing
from issuer.cli.agent.options import FAILED, AgentGroup, Config, reported, set_logs, state_of
from issuer.cli.agent.out import DnsNames, Mount, Out, PkiPath, RootFingerprint, TokenPath, Ttl, given_file
from issuer.cli.help import Commands

if TYPE_CHECKING:
    from issuer.agent.config.given import GivenSet
    from issuer.agent.config.model import AgentFile
    from issuer.agent.hooks.checking import CheckFindings
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

    with reported():
        set_logs("info")
        file = load_agent_file(config)
        _need_free(textfile, file, config)
        watched = ConfigurationFile(config, load_agent_file, file)
        service = ServiceNotifier(os.environ)
        seen: list[Agent] = []

        def looked(agent: Agent) -> None:
            seen[:] = [agent]
            _write(textfile, agent)

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
        asyncio.run(_until_told(_measured(work, metrics, seen), stop, running.reread))


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
    with reported():
        if out is None:
            failed = asyncio.run(_once(config, None, textfile))
        else:
            from issuer.agent.config.given import GivenSet

            token = None if token_file is None else token_file.absolute()
            given = GivenSet(out.absolute(), path, tuple(dns_name or ()), ttl, token, mount, root_fingerprint)
            failed = asyncio.run(_once_given(given, textfile))
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
    with reported():
        failed = asyncio.run(_once(config, name, None))
    raise typer.Exit(FAILED if failed else 0)


@app.command("check")
def check(config: Config = "") -> None:
    """Try everything but the signing and the hooks: configuration, folders, TLS, login, role, CAs, consumers.

    Exit codes: 0 all of it works, 1 something doesn't.

    Examples:

      vault-issuer agent check -c agent.yaml
    """
    with reported():
        findings = asyncio.run(_check(config))
    for line in findings.warnings:
        typer.echo(f"Warning: {line}", err=True)
    for line in findings.problems:
        typer.echo(f"Error: {line}", err=True)
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
    with reported():
        failed = asyncio.run(_deliver(name, json, config))
    raise typer.Exit(FAILED if failed else 0)


async def _deliver(name: str, source: str, config: str) -> bool:
    """Return True if a consumer was not told."""
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.errors import AgentError
    from issuer.agent.process.agent import opened_agent
    from issuer.agent.renewal.delivered import read_answer
    from issuer.manifests.documents import read_source

    file = load_agent_file(config)
    answer = read_answer(read_source(source)[1].decode("utf-8", "replace"))
    async with opened_agent(file, state_of(file, config)) as agent:
        if name not in agent.keepers:
            raise AgentError(f'There is no set "{name}": the file has {", ".join(sorted(agent.keepers))}')
        await agent.read_clock()
        report = await agent.deliver(name, answer)
        for text in report.warnings:
            typer.echo(f"Warning: {name}: {text}", err=True)
        typer.echo(f"{name}: delivered, expires {report.kept.not_after:%Y-%m-%d %H:%M} UTC")
        return await _tell_consumers(agent, [name])


async def _once_given(given: GivenSet, textfile: Path | None) -> bool:
    """Return True if something failed. The folder stands for the configuration's name."""
    return await _once_of(await given_file(given), str(given.folder), None, textfile)


async def _once(config: str, name: str | None, textfile: Path | None) -> bool:
    """Return True if something failed."""
    from issuer.agent.config.reading import load_agent_file

    return await _once_of(load_agent_file(config), config, name, textfile)


async def _once_of(file: AgentFile, config: str, name: str | None, textfile: Path | None) -> bool:
    from issuer.agent.errors import AgentError
    from issuer.agent.process.agent import opened_agent

    _need_free(textfile, file, config)
    async with opened_agent(file, state_of(file, config)) as agent:
        if name is not None and name not in agent.keepers:
            raise AgentError(f'There is no set "{name}": the file has {", ".join(sorted(agent.keepers))}')
        agent.expect_few_looks()
        if (warning := await agent.read_clock()) is not None:
            typer.echo(f"Warning: {warning}", err=True)
        await agent.keep_login()
        names = list(agent.keepers) if name is None else [name]
        reports = await asyncio.gather(*(agent.step(one, force=name is not None) for one in names))
        for one, report in zip(names, reports, strict=True):
            if report is None:
                typer.echo(f"Error: {one}: {agent.errors.get(one, 'the agent is being stopped')}", err=True)
                continue
            for text in report.warnings:
                typer.echo(f"Warning: {one}: {text}", err=True)
            done = f"renewed ({report.renewed})" if report.renewed else "kept"
            typer.echo(f"{one}: {done}, expires {report.kept.not_after:%Y-%m-%d %H:%M} UTC")
        failing = await _tell_consumers(agent, names)
        _write(textfile, agent)
        return None in reports or failing


async def _tell_consumers(agent: Agent, sets: Iterable[str]) -> bool:
    """Tell the consumers of the sets what they have to be told; return True if that failed."""
    failing = False
    for name in dict.fromkeys(consumer for one in sets for consumer in agent.telling.of(one)):
        had_news = agent.telling.has_news(name)
        record = await agent.telling.tell(name)
        for text in record.warnings:
            typer.echo(f"Warning: {name}: {text}", err=True)
        if record.is_failing:
            failing = True
            typer.echo(f"Error: {name}: {record.error}", err=True)
        elif had_news and agent.telling.has_news(name):
            failing = True
            typer.echo(f"Error: {name}: another agent is telling it now: run this again", err=True)
        elif had_news:
            typer.echo(f"{name}: {'told' if record.outcome == 'Told' else 'not running'}")
    return failing


async def _check(config: str) -> CheckFindings:
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.process.agent import opened_agent

    file = load_agent_file(config)
    async with opened_agent(file, state_of(file, config)) as agent:
        if (warning := await agent.read_clock()) is not None:
            typer.echo(f"Warning: {warning}", err=True)
        return await agent.check()


def _need_free(textfile: Path | None, file: AgentFile, config: str) -> None:
    """Raise AgentError if the metrics would be written over what the agent needs or keeps."""
    from issuer.agent.config.paths import use_of
    from issuer.agent.errors import AgentError

    if textfile is not None and (use := use_of(file, config, textfile)) is not None:
        raise AgentError(f'"{textfile}" is {use}, and would be overwritten: give --textfile another path')


def _write(path: Path | None, agent: Agent) -> None:
    from issuer.agent.files.writing import write_file

    if path is not None:
        write_file(path.absolute(), _metrics(agent).encode(), 0o644, f'"{path}"', create=False)


def _metrics(agent: Agent) -> str:
    from issuer.agent.reporting.consumers import consumer_statuses
    from issuer.agent.reporting.metrics import metrics_text
    from issuer.agent.reporting.report import statuses

    found = statuses(agent.keepers.values(), agent.records)
    return metrics_text(found, consumer_statuses(agent.telling), datetime.now(UTC))


async def _measured(work: Coroutine[None, None, None], address: str | None, seen: list[Agent]) -> None:
    """Do the work, and answer Prometheus about the agent in `seen` meanwhile. Raises AgentError."""
    from issuer.agent.errors import AgentError
    from issuer.agent.reporting.listening import metrics_listener
    from issuer.telemetry.address import AddressError, parse_address

    if address is None:
        await work
        return
    try:
        host, port = parse_address(address)
        async with metrics_listener(host, port, lambda: _metrics(seen[0]) if seen else ""):
            await work
    except AddressError as error:
        raise AgentError(str(error)) from error
    finally:
        work.close()


async def _until_told(
    work: Coroutine[None, None, None], stop: Callable[[], None], reread: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if not os.isatty(0):  # of a terminal that was closed it means the end
        loop.add_signal_handler(signal.SIGHUP, reread)
    await work
