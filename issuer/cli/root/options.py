"""Options that the commands of `vault-issuer root` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dir = Annotated[Path, typer.Option("--dir", "-d", metavar="DIR", help="Folder of the root.")]
Ceremony = Annotated[
    str | None, typer.Option("--file", "-f", metavar="FILE", help="Ceremony file; options go over it.")
]
PassphraseFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="File whose first line is the passphrase, mode 600; twice for two people. Default: ask.",
    ),
]
Today = Annotated[
    str | None,
    typer.Option(
        "--today", metavar="YYYY-MM-DD", help="The day, as read elsewhere, if the clock is doubted."
    ),
]
Permit = Annotated[
    list[str] | None,
    typer.Option(
        "--permit", metavar="FORM:NAME", help="Only these names below it: DNS:, IP:, mail:, URI:. Repeatable."
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="FORM:NAME", help="None of these names below it. Repeatable."),
]
CRLUrls = Annotated[
    list[str] | None,
    typer.Option("--crl-url", metavar="URL", help="Where CAs that it signs find its CRL; http. Repeatable."),
]
IssuerUrls = Annotated[
    list[str] | None,
    typer.Option(
        "--issuer-url", metavar="URL", help="Where CAs that it signs find its certificate; http. Repeatable."
    ),
]
PathLength = Annotated[
    int | None, typer.Option("--path-length", metavar="NUMBER", help="Number of CAs that may follow below.")
]
Life = Annotated[str | None, typer.Option(metavar="DURATION", help="Lifetime: 10y (of 365 days), 90d, 720h.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show and check it, write nothing, ask for no passphrase.")
]
