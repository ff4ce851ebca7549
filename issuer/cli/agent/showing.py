"""Commands that show how an agent's sets stand: `agent status`, `plan`, `report` and `schema`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from issuer.cli.agent.options import DEFAULT_FILE, DUE, FAILED, Config, reported, state_of
from issuer.cli.options import Format, OutputFormat
from issuer.cli.output import print_data

if TYPE_CHECKING:
    from issuer.agent.reporting.consumers import ConsumerStatus
    from issuer.agent.reporting.report import SetStatus


def status(config: Config = DEFAULT_FILE, output: Format = OutputFormat.TABLE) -> None:
    """Show each set: its life, the next renewal, and what failed last. Asks nobody, changes nothing.

    Exit codes: 0 all is fresh, 1 something is missing, expired or failing.

    Examples:

      vault-issuer agent status -c agent.yaml

      vault-issuer agent status -o json
    """
    with reported():
        found, consumers, login = _statuses(config)
    now = datetime.now(UTC)
    if output is OutputFormat.TABLE:
        _print_table(found, now)
        for line in login:
            typer.echo(line)
        _print_consumers(consumers)
    else:
        rows = [
            {**one.to_json(now), "consumers": [it.to_json() for it in consumers if one.name in it.sets]}
            for one in found
        ]
        print_data(rows, output)
    bad = any(one.state(now) not in ("Fresh", "Due", "Waiting") for one in found)
    raise typer.Exit(FAILED if bad or any(one.is_failing for one in consumers) else 0)


def plan(config: Config = DEFAULT_FILE, output: Format = OutputFormat.TABLE) -> None:
    """Show what the next run would do, without asking Vault and without changing anything.

    Exit codes: 0 nothing to do, 1 it can't be planned, 2 something is due.

    Examples:

      vault-issuer agent plan -c agent.yaml
    """
    from issuer.agent.renewal.keeping import RenewalReason

    with reported():
        found, consumers, _ = _statuses(config, for_once=True)
    for one in found:
        if one.error:
            typer.echo(f"Error: {one.name}: {one.error}", err=True)
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
    from issuer.agent.renewal.keeping import RenewalReason

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


def report(config: Config = DEFAULT_FILE) -> None:
    """Print what this machine keeps as JSON, for an inventory: certificates, files, consumers; no secret.

    Asks nobody, changes nothing.

    Examples:

      vault-issuer agent report -c agent.yaml
    """
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.reporting.inventory import machine_report

    with reported():
        found, consumers, _ = _statuses(config)
        file = load_agent_file(config)
    print_data(machine_report(file, found, consumers, datetime.now(UTC)), OutputFormat.JSON)


def schema() -> None:
    """Print the JSON schema of agent.yaml, for editors."""
    from issuer.agent.config.model import AgentFile

    print_data(AgentFile.model_json_schema(by_alias=True), OutputFormat.JSON)


def _statuses(
    config: str, *, for_once: bool = False
) -> tuple[list[SetStatus], list[ConsumerStatus], tuple[str, ...]]:
    """Return the status of each set and each consumer, and sentences about the last login.

    With `for_once` what is due is that for `agent once`.
    """
    from issuer.agent.config.reading import load_agent_file
    from issuer.agent.process.agent import opened_agent
    from issuer.agent.process.records import read_login
    from issuer.agent.reporting.consumers import consumer_statuses
    from issuer.agent.reporting.report import statuses

    async def look() -> tuple[list[SetStatus], list[ConsumerStatus], tuple[str, ...]]:
        file = load_agent_file(config)
        state = state_of(file, config)
        async with opened_agent(file, state) as agent:
            if for_once:
                agent.expect_few_looks()
            found = statuses(agent.keepers.values(), agent.records)
            return found, consumer_statuses(agent.telling), read_login(state)

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
