"""Tracing spans; a no-op costing one attribute check unless an exporter is installed.

`issuer.telemetry.otlp` exports them; it is imported only when an endpoint is given. Attributes say what a
step is about and how it ended, and never hold a secret, a CSR or a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

Value = str | float | bool
"""An attribute's value (int is a float here)."""


class Span(Protocol):
    """A step, as a context manager; it is a child of the span around it."""

    on: bool
    """True if it will be exported; attributes that are costly to make are worth it only then."""
    trace_id: str
    """Id of the whole trace, in hex; "" if it won't be exported."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def set_attributes(self, **attributes: Value) -> None:
        """Add attributes."""
        ...


class _Nothing:
    """A span that isn't exported."""

    on = False
    trace_id = ""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def set_attributes(self, **attributes: Value) -> None:
        """Ignore the attributes."""


NOTHING = _Nothing()
Begin = Callable[[str, Mapping[str, Value]], Span]
_begin: Begin | None = None


def span(step: str, /, **attributes: Value) -> Span:
    """Return a span of that name, a child of the running task's span."""
    return NOTHING if _begin is None else _begin(step, attributes)


def collect(begin: Begin | None) -> None:
    """Begin spans by this function from now on; None ends that. It holds for the whole process, as logging
    does."""
    global _begin  # noqa: PLW0603 - as structlog's configuration, and read on the hot path
    _begin = begin
