"""Metrics of `vault-issuer agent`: in a file for node_exporter, or answered to Prometheus."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path

from issuer.agent.config.model import AgentFile
from issuer.agent.config.paths import use_of
from issuer.agent.errors import AgentError
from issuer.agent.files.writing import write_file
from issuer.agent.process.agent import Agent
from issuer.agent.reporting.consumers import consumer_statuses
from issuer.agent.reporting.listening import metrics_listener
from issuer.agent.reporting.metrics import metrics_text
from issuer.agent.reporting.report import statuses
from issuer.telemetry.address import AddressError, parse_address


def need_free(textfile: Path | None, file: AgentFile, config: str) -> None:
    """Raise AgentError if the metrics would be written over what the agent needs or keeps."""
    if textfile is not None and (use := use_of(file, config, textfile)) is not None:
        raise AgentError(f'"{textfile}" is {use}, and would be overwritten: give --textfile another path')


def write_metrics(path: Path | None, agent: Agent) -> None:
    """Write the metrics of an agent, if a file is named. Raises AgentError."""
    if path is not None:
        write_file(path.absolute(), _text(agent).encode(), 0o644, f'"{path}"', create=False)


def _text(agent: Agent) -> str:
    found = statuses(agent.keepers.values(), agent.records)
    return metrics_text(found, consumer_statuses(agent.telling), datetime.now(UTC))


async def measured(work: Coroutine[None, None, None], address: str | None, seen: list[Agent]) -> None:
    """Do the work, and answer Prometheus about the agent in `seen` meanwhile. Raises AgentError."""
    if address is None:
        await work
        return
    try:
        host, port = parse_address(address)
        async with metrics_listener(host, port, lambda: _text(seen[0]) if seen else ""):
            await work
    except AddressError as error:
        raise AgentError(str(error)) from error
    finally:
        work.close()
