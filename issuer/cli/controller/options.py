"""Values of the options of `vault-issuer controller`: what they may be, and how they are read."""

from __future__ import annotations

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
