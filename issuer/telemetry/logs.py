"""Structured logs, one line an event, as JSON or for a terminal, with secrets taken out.

Code never logs a secret on purpose; the redaction here is the second line of
defence, for values that arrive inside other people's error messages.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from typing import Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LogFormat = Literal["json", "console"]

REDACTED = "[redacted]"

# Field names whose value is never shown, whatever it is.
_SECRET_FIELDS = re.compile(
    r"^(.*_)?(token|secret|secret_id|password|jwt|private_key|authorization)$", re.IGNORECASE
)

# Vault and OpenBao tokens (hvs. service, hvb. batch, hvr. recovery, and the older
# s./b./r. forms), JSON web tokens, and PEM private keys.
_SECRET_VALUES = re.compile(
    r"\bhv[sbr]\.[A-Za-z0-9_-]{10,}"
    r"|\b[sbr]\.[A-Za-z0-9]{24,}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def redact(text: str) -> str:
    """Return ``text`` with everything that looks like a credential replaced by ``[redacted]``."""
    return _SECRET_VALUES.sub(REDACTED, text)


@lru_cache(maxsize=512)  # names are the code's, and the same in every line
def _is_secret(name: str) -> bool:
    return _SECRET_FIELDS.match(name) is not None


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """structlog processor: blank secret fields, and credentials inside any other text."""
    for name, value in event.items():
        if _is_secret(name):
            event[name] = REDACTED
        elif isinstance(value, str):
            event[name] = redact(value)
    return event


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def configure(log_format: LogFormat = "json", level: str = "info") -> None:
    """Send structlog and the standard library's loggers to standard error.

    ``level`` is one of ``debug``, ``info``, ``warning`` and ``error``.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    render: Processor
    if log_format == "json":
        render = structlog.processors.JSONRenderer(serializer=_to_json)
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
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
