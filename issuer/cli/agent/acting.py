"""Acts of commands of `vault-issuer agent`, done at once: look at sets, deliver, tell consumers, check."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import typer

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import load_agent_file
from issuer.agent.errors import AgentError
from issuer.agent.hooks.checking import CheckFindings
from issuer.agent.process.agent import Agent, opened_agent
from issuer.agent.renewal.keepers.delivered import read_answer
from issuer.cli.agent.metrics import need_free, write_metrics
from issuer.cli.agent.options import state_of
from issuer.cli.output import print_error, print_warning
from issuer.manifests.documents import read_source


async def look_once(file: AgentFile, config: str, name: str | None, textfile: Path | None) -> bool:
    """Look at all sets, or renew the named one; return True if something failed. Raises AgentError."""
    need_free(textfile, file, config)
    async with _opened(file, config, name) as agent:
        agent.expect_few_looks()
        await _read_clock(agent)
        await agent.keep_login()
        names = list(agent.keepers) if name is None else [name]
        reports = await asyncio.gather(*(agent.step(one, force=name is not None) for one in names))
        for one, report in zip(names, reports, strict=True):
            if report is None:
                print_error(f"{one}: {agent.errors.get(one, 'the agent is being stopped')}")
                continue
            for text in report.warnings:
                print_warning(f"{one}: {text}")
            done = f"renewed ({report.renewed})" if report.renewed else "kept"
            typer.echo(f"{one}: {done}, expires {report.kept.not_after:%Y-%m-%d %H:%M} UTC")
        failing = await _tell(agent, names)
        write_metrics(textfile, agent)
        return None in reports or failing


async def deliver_answer(name: str, source: str, config: str) -> bool:
    """Take over what Vault answered something else; return True if a consumer was not told."""
    file = load_agent_file(config)
    answer = read_answer(read_source(source)[1].decode("utf-8", "replace"))
    async with _opened(file, config, name) as agent:
        await agent.read_clock()
        report = await agent.deliver(name, answer)
        for text in report.warnings:
            print_warning(f"{name}: {text}")
        typer.echo(f"{name}: delivered, expires {report.kept.not_after:%Y-%m-%d %H:%M} UTC")
        return await _tell(agent, [name])


async def check_all(config: str) -> CheckFindings:
    """Try everything but the signing and the hooks. Raises AgentError."""
    file = load_agent_file(config)
    async with _opened(file, config) as agent:
        await _read_clock(agent)
        return await agent.check()


@asynccontextmanager
async def _opened(file: AgentFile, config: str, name: str | None = None) -> AsyncIterator[Agent]:
    """Open the agent of a file. Raises AgentError if it has no set of that name."""
    async with opened_agent(file, state_of(file, config)) as agent:
        if name is not None and name not in agent.keepers:
            raise AgentError(f'There is no set "{name}": the file has {", ".join(sorted(agent.keepers))}')
        yield agent


async def _read_clock(agent: Agent) -> None:
    if (warning := await agent.read_clock()) is not None:
        print_warning(warning)


async def _tell(agent: Agent, sets: Iterable[str]) -> bool:
    """Tell the consumers of the sets what they have to be told; return True if that failed."""
    failing = False
    for name in dict.fromkeys(consumer for one in sets for consumer in agent.telling.of(one)):
        had_news = agent.telling.has_news(name)
        record = await agent.telling.tell(name)
        for text in record.warnings:
            print_warning(f"{name}: {text}")
        if record.is_failing:
            failing = True
            print_error(f"{name}: {record.error}")
        elif had_news and agent.telling.has_news(name):
            failing = True
            print_error(f"{name}: another agent is telling it now: run this again")
        elif had_news:
            typer.echo(f"{name}: {'told' if record.outcome == 'Told' else 'not running'}")
    return failing
