"""Options of `vault-issuer controller` for what it serves, sends and logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from issuer.cli.controller.options import (
    LogFormat,
    LogLevel,
    listen_address,
    optional_address,
    traces_endpoint,
)
from issuer.site import docs_page

MetricsAddress = Annotated[
    str,
    typer.Option(
        metavar="[HOST]:PORT",
        help="host:port of /healthz, /readyz and /metrics.",
        callback=listen_address,
    ),
]
MetricsTLSCert = Annotated[
    Path | None,
    typer.Option(
        help="Certificate (PEM, with its chain) to serve them by TLS. The metrics then ask for a token "
        "whose user may get /metrics.",
    ),
]
MetricsTLSKey = Annotated[Path | None, typer.Option(help="Its key (PEM).")]
StatusAddress = Annotated[
    str,
    typer.Option(
        metavar="[HOST]:PORT",
        help="host:port of the status page; empty: none. Loopback needs no login. "
        f"{docs_page('status-page')}",
        callback=optional_address,
    ),
]
StatusTLSCert = Annotated[
    Path | None,
    typer.Option(
        help="Certificate (PEM, with its chain) of the status page, where its address is not loopback.",
    ),
]
StatusTLSKey = Annotated[Path | None, typer.Option(help="Its key (PEM).")]
TracingEndpoint = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="Send OpenTelemetry traces there by OTLP over HTTP, such as http://collector:4318. Off by "
        "default; needs the extra: pip install 'vault-issuer[tracing]'.",
        callback=traces_endpoint,
    ),
]
LogForm = Annotated[LogFormat, typer.Option(help="Log lines as JSON or for a terminal.")]
LogFrom = Annotated[LogLevel, typer.Option(help="Least important lines to log.")]
