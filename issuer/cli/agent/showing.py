"""Commands that show how an agent's sets stand: `agent status`, `plan`, `report` and `schema`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from issuer.cli.agent.options import DUE, FAILED, Config, reported, state_of
from issuer.cli.options import Format, OutputFormat
from issuer.cli.output import print_data, print_error

if TYPE_CHECKING:
    from datetime import datetime

    from issuer.agent.config.model import AgentFile
    from issuer.agent.process.records import LoginRecord
    from issuer.agent.reporting.consumers import ConsumerStatus
    from issuer.agent.reporting.report import SetStatus


def status(config: Config = "", output: Format = OutputFormat.TABLE) -> None:
    """Show each set: its life, the next renewal, and what failed last. Asks nobody, changes nothing.

    Exit codes: 0 all is fresh, 1 something is missing, expired or failing.

    Examples:

      vault-issuer agent status -c agent.yaml

      vault-issuer agent status -o json
    """
    with reported():
        seen = _seen(config)
    found, consumers, now = seen.sets, seen.consumers, seen.now
    if output is OutputFormat.TABLE:
        _print_table(found, now)
        for line in seen.login.lines() if seen.login else ():
            typer.echo(line)
        _print_consumers(consumers)
    else:
        login = seen.login.to_json() if seen.login else None
        rows = [
            {
                **one.to_json(now),
                "consumers": [it.to_json() for it in consumers if one.name in it.sets],
                "login": login,
            }
            for one in found
        ]
        print_data(rows, output)
    bad = any(one.state(now) not in ("Fresh", "Due", "Waiting") for one in found)
    raise typer.Exit(FAILED if bad or any(one.is_failing for one in consumers) else 0)


def plan(config: Config = "", output: Format = OutputFormat.TABLE) -> None:
    """Show what the next run would do, without asking Vault and without changing anything.

    Exit codes: 0 nothing to do, 1 it can't be planned, or bad input, 2 something is due.

    Examples:

      vault-issuer agent plan -c agent.yaml
    """
    from issuer.agent.renewal.looks import RenewalReason

    with reported():
        seen = _seen(config, for_once=True)
    found, consumers = seen.sets, seen.consumers
    for one in found:
        if one.error:
            print_error(f"{one.name}: {one.error}")
    due = [one for one in found if one.rewritten or one.reason not in (None, RenewalReason.NOT_DELIVERED)]
    rows = [
        {"name": one.name, "folder": one.folder, "reason": one.reason, "rewritten": list(one.rewritten)}
        for one in found
        if not one.error and (one.reason is not None or one.rewritten)
    ]
    waiting = [one for one in consumers if one.news]
    if output is not OutputFormat.TABLE:
        print_data(rows, output)
    else:
        _print_plan(found, waiting)
    if any(one.error for one in found):
        raise typer.Exit(FAILED)
    raise typer.Exit(DUE if due or waiting else 0)


def _print_plan(found: list[SetStatus], waiting: list[ConsumerStatus]) -> None:
    from issuer.agent.renewal.looks import RenewalReason

    lines = []
    for one in found:
        if one.reason is RenewalReason.NOT_DELIVERED:
            lines.append(f"{one.name}: waits for: vault-issuer agent deliver {one.name} --json - < answer")
        elif one.reason is not None:
            lines.append(f"{one.name}: a certificate is asked for ({one.reason}) into {one.folder}")
        elif one.rewritten:
            lines.append(f"{one.name}: written again in {one.folder}: {', '.join(one.rewritten)}")
    lines += [f"{one.name}: is told that files have changed ({' '.join(one.news)})" for one in waiting]
    typer.echo("\n".join(lines) or "Nothing is due.")


def report(config: Config = "") -> None:
    """Print what this machine keeps as JSON, for an inventory: certificates, files, consumers; no secret.

    Asks nobody, changes nothing.

    Examples:

      vault-issuer agent report -c agent.yaml
    """
    from issuer.agent.reporting.inventory import machine_report

    with reported():
        seen = _seen(config)
    login = seen.login.to_json() if seen.login else None
    found = machine_report(seen.file, seen.sets, seen.consumers, seen.now)
    print_data({**found, "login": login}, OutputFormat.JSON)


def schema() -> None:
    """Print the JSON schema of agent.yaml, for editors.

    Examples:
      vault-issuer agent schema > agent.schema.json
      # yaml-language-server: $schema=agent.schema.json
    """
    from issuer.agent.config.model import AgentFile

    print_data(AgentFile.model_json_schema(by_alias=True), OutputFormat.JSON)


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that the files of an agent tell. `now` is the server's time, as far as the last look knew it."""

    file: AgentFile
    sets: list[SetStatus]
    consumers: list[ConsumerStatus]
    login: LoginRecord | None
    now: datetime


def _seen(config: str, *, for_once: bool = False) -> _Seen:
    """Look at an agent's files. With `for_once` what is due is that for `agent once`."""
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.process.agent import opened_agent
    from issuer.agent.process.records import read_login
    from issuer.agent.reporting.consumers import consumer_statuses
    from issuer.agent.reporting.report import statuses

    async def look() -> _Seen:
        file = load_agent_file(config)
        state = state_of(file, config)
        async with opened_agent(file, state) as agent:
            agent.recall_clock()
            if for_once:
                agent.expect_few_looks()
            found = statuses(agent.keepers.values(), agent.records)
            return _Seen(file, found, consumer_statuses(agent.telling), read_login(state), agent.now())

    return asyncio.run(look())


def _print_table(found: list[SetStatus], now: datetime) -> None:
    typer.echo(f"{'NAME':<24} {'STATE':<8} {'LIFE':<10} {'EXPIRES':<16} {'RENEWAL':<16} FOLDER")
    for one in found:
        kept = one.kept
        ends = f"{kept.not_after:%Y-%m-%d %H:%M}" if kept else ""
        at = f"{kept.renew_at:%Y-%m-%d %H:%M}" if kept else ""
        typer.echo(f"{one.name:<24} {one.state(now):<8} {one.bar(now):<10} {ends:<16} {at:<16} {one.folder}")
        for text in (one.problem, *one.record.warnings):
            if text:
                typer.echo(f"  {text}")
        if kept is not None and kept.waits:
            typer.echo(f"  waits for its maintenance window, until {at} UTC at most")
        if one.is_forgotten(now):
            typer.echo(f"  nobody has looked at it since {one.record.looked_at}: is the agent running?")


def _print_consumers(found: list[ConsumerStatus]) -> None:
    if found:
        typer.echo(f"\n{'CONSUMER':<24} {'STATE':<10} {'LAST SUCCESS':<20} SETS")
    for one in found:
        typer.echo(f"{one.name:<24} {one.state:<10} {one.record.succeeded_at:<20} {' '.join(one.sets)}")
        for text in (one.problem, *one.record.warnings):
            if text:
                typer.echo(f"  {text}")
