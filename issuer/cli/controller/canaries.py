"""Options of the canaries of `vault-issuer controller`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Issuers = Annotated[
    list[str] | None,
    typer.Option(
        help="Ask this issuer for a certificate again and again, end to end, and tell by metrics which "
        "stage breaks. Repeatable.",
        metavar="KIND/[NAMESPACE/]NAME",
    ),
]
DnsNames = Annotated[
    list[str] | None,
    typer.Option(
        help="The name that canaries ask for; policy and Vault's role must allow it. With KIND/NAME= "
        "before it, of that issuer's canary alone. Repeatable.",
        metavar="[ISSUER=]NAME",
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Namespace of the canaries' requests. Default: the controller's own. A VaultIssuer is asked "
        "in its own.",
    ),
]
Period = Annotated[float, typer.Option(help="Seconds between two runs.", min=1, max=86400)]
Timeout = Annotated[
    float, typer.Option(help="Seconds in which a canary's request must be answered.", min=1, max=3600)
]
Duration = Annotated[str, typer.Option(metavar="DURATION", help="The lifetime that canaries ask for.")]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        help="host:port that serves the Secret of the canary's Certificate by TLS: dialled in each run, "
        "and verified to the same CA. With KIND/NAME= before it where there are several. Repeatable.",
        metavar="[ISSUER=]HOST:PORT",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        help="CAs (PEM) one of which must stand behind canaries' certificates. Default: the answer's CA.",
        exists=True,
        dir_okay=False,
    ),
]
