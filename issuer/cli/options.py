"""Options that several commands share, each with its help once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """Form of a command's result on standard output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """The cluster that a command reads, and the names of the backends whose issuers it knows besides."""

    kubeconfig: str | None
    context: str | None
    backends: tuple[str, ...] = ()


Format = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="A table for people, or all of it as JSON or YAML.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan alone, also with --yes; nothing changes.")
]
YamlOnly = Annotated[
    bool,
    typer.Option(
        "--yaml-only",
        help="Print only the YAML of the first thing to do, whole, for kubectl apply -f -. Look at it first.",
    ),
]
Kubeconfig = Annotated[str | None, typer.Option(metavar="FILE", help="Kubeconfig file. Default: as kubectl.")]
Context = Annotated[str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig.")]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backends",
        metavar="NAME",
        help="Also know the issuers of this backend from another Python distribution, as the controller's "
        "--backends names it. Its code runs as you. Repeatable.",
    ),
]
