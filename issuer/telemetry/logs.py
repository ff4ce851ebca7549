"""Structured logs, one line an event, as JSON or for a terminal, with secrets taken out.

Code never logs a secret on purpose; the redaction here is the second line of
defence, for values that arrive inside other people's error messages.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from issuer.telemetry import python_warnings
from issuer.telemetry.journal import JournalRenderer
from issuer.telemetry.redaction import redact_field

LogFormat = Literal["json", "console", "journal"]


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank secret fields of an event, and credentials inside all others, at any depth (a structlog
    processor)."""
    for name, value in event.items():
        if not name.startswith("_"):  # structlog's own, which never reach the line
            event[name] = redact_field(name, value)
    return event


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(log_format: LogFormat = "json", level: str = "info") -> None:
    """Send structlog, the standard library's loggers and Python's warnings to standard error.

    `level` is one of `debug`, `info`, `warning` and `error`. Lines for the journal have no time: it has its
    own.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        *(() if log_format == "journal" else (structlog.processors.TimeStamper(fmt="iso", utc=True),)),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    render: Processor
    if log_format == "json":
        render = structlog.processors.JSONRenderer(serializer=_to_json)
    elif log_format == "journal":
        render = JournalRenderer()
    else:
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared))
    python_warnings.capture()
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
