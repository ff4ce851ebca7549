"""Options and exit codes that the commands of `vault-issuer pki` share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli import vault
from issuer.cli.help import HelpfulGroup
from issuer.cli.output import print_error

if TYPE_CHECKING:
    from issuer.manifests.errors import BadInput
    from issuer.pki.file.model import Part

FAILED: Final = 1
CHANGES: Final = 2
LEFT: Final = 3


class PkiGroup(HelpfulGroup):
    """Group of commands whose usage errors exit with 1: 2 means that a plan has changes."""

    usage_exit_code = FAILED


class PartChoice(StrEnum):
    """Part of the file that a command works on."""

    ALL = "all"
    FOUNDATION = "foundation"
    AUTOMATION = "automation"


Files = Annotated[
    list[str],
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="pki.yaml; - for standard input. Repeatable: later files are laid over earlier ones.",
    ),
]
PartOption = Annotated[
    PartChoice,
    typer.Option(
        "--part",
        help="foundation: auth methods, policies, audit, roots, for a person. automation: the rest.",
    ),
]


def nothing_named(files: Sequence[str], parts: Collection[Part], to: str) -> BadInput:
    """Return the error for files of which these parts name nothing `to` plan, apply or verify."""
    from issuer.manifests.errors import BadInput

    other = f", or another part than {next(iter(parts))}" if len(parts) == 1 else ""
    return BadInput(f"{', '.join(files)}: nothing to {to} is named there: give the file that has it{other}")


def parts_of(choice: PartChoice) -> Collection[Part]:
    """Return the parts that a choice means."""
    from issuer.pki.file.model import Part

    return frozenset(Part) if choice is PartChoice.ALL else frozenset({Part(choice.value)})


@contextmanager
def reported() -> Iterator[None]:
    """End the command with code 1 on bad input and failures, with their message on standard error.

    While a certificate of an offline CA is waited for, the code is 3.
    """
    from issuer.pki.errors import NeedsCertificate

    with vault.reported(FAILED):
        try:
            yield
        except NeedsCertificate as error:
            print_error(error, "Waiting")
            raise typer.Exit(LEFT) from error
