"""Options that several commands share, each with its help once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class OutputFormat(StrEnum):
    """Form of a command's result on standard output."""

    TABLE = "table"
    JSON = "json"


Format = Annotated[OutputFormat, typer.Option("--output", "-o", help="A table for people, or JSON.")]
Kubeconfig = Annotated[str | None, typer.Option(help="Kubeconfig file. Default: as kubectl.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]
