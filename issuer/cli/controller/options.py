"""Values of the options of `vault-issuer controller`: what they may be, and how they are read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from issuer.telemetry.address import AddressError, parse_address, traces_url

if TYPE_CHECKING:
    from issuer.servers.allowed import AllowedServers


class LogFormat(StrEnum):
    """Form of log lines."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """Least important lines that are logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def listen_address(text: str) -> str:
    """Return the address to listen on, if it can be read. Raises BadParameter."""
    try:
        parse_address(text)
    except AddressError as error:
        raise typer.BadParameter(str(error)) from error
    return text


def optional_address(text: str) -> str:
    """Return the address to listen on, empty for none. Raises BadParameter."""
    return listen_address(text) if text else ""


def traces_endpoint(text: str) -> str:
    """Return the URL to which traces are sent, empty for none. Raises BadParameter."""
    try:
        return traces_url(text) if text else ""
    except AddressError as error:
        raise typer.BadParameter(str(error)) from error


def allowed_servers_of(entries: Sequence[str]) -> AllowedServers:
    """Return the servers that a VaultIssuer may use. Raises OptionsError."""
    from issuer.controller.process.options import OptionsError
    from issuer.servers.allowed import AllowedServers, BadEntry

    try:
        return AllowedServers.parse(entries)
    except BadEntry as error:
        raise OptionsError(f"--allowed-servers: {error}") from error


def import_structlog() -> None:
    """Import structlog without rich, which it uses for tracebacks on a terminal: 4 MB of every pod."""
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    if hidden:
        del sys.modules["rich"]
