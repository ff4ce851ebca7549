"""Spans of a request's way, where somebody collects them; elsewhere a question to one variable.

``issuer.telemetry.otlp`` sends them; it is imported only when an endpoint is given. Attributes say what it is
about and how it ended, and never hold a secret, a CSR or a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

Value = str | float | bool
"""What an attribute may hold (int is a float here)."""


class Span(Protocol):
    """One step, for ``with``: it begins and ends there, and belongs to the step around it."""

    on: bool
    """Whether anybody will see it; what is costly to tell is worth it only then."""
    trace_id: str
    """What names the whole trace, in hex; empty where nobody will see it."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def tell(self, **attributes: Value) -> None:
        """Add to what is said of it."""
        ...


class _Nothing:
    """A span that nobody sees."""

    on = False
    trace_id = ""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, **attributes: Value) -> None:
        """Nobody listens."""


NOTHING = _Nothing()
Begin = Callable[[str, Mapping[str, Value]], Span]
_begin: Begin | None = None


def span(step: str, /, **attributes: Value) -> Span:
    """A step of that name, within the one that the running task is in."""
    return NOTHING if _begin is None else _begin(step, attributes)


def collect(begin: Begin | None) -> None:
    """From now on spans are begun by this; None ends it. It holds for the whole process, as logging does."""
    global _begin  # noqa: PLW0603 - as structlog's configuration, and read on the hot path
    _begin = begin
