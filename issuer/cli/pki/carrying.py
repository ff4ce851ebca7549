"""A plan that was shown and agreed to, carried out with progress."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from issuer.cli.pki.options import FAILED
from issuer.cli.signals import cancelled_by_signals
from issuer.cli.streams import finished_without_output

if TYPE_CHECKING:
    from issuer.pki.plan.planning import PkiPlan
    from issuer.pki.plan.step import PkiStep
    from issuer.pki.session import PkiSession


def end_with(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do work that changes Vault, and end the command with its exit code, or say that it was interrupted."""
    try:
        code = asyncio.run(cancelled_by_signals(work))
    except (asyncio.CancelledError, KeyboardInterrupt):
        typer.echo("Interrupted; run the same again: what was done stays.", err=True)
        raise typer.Exit(FAILED) from None
    raise typer.Exit(code)


async def carry_out(session: PkiSession, found: PkiPlan) -> None:
    """Carry the steps of a plan out, and say each; say what is left if one fails. Raises PkiError."""
    from issuer.pki.apply.applying import Applier

    steps = found.applied
    numbers = count(1)

    def told(step: PkiStep) -> None:
        typer.echo(f"[{next(numbers)}/{len(steps)}] {step.kind} {step.path}")

    def noted() -> None:
        with suppress(OSError):  # a closed pipe breaks no step in two
            typer.echo("Interrupted: it ends as soon as this step is done", err=True)

    applier = Applier(session.calls, session.loaded.file, session.files, told, noted=noted)
    try:
        with finished_without_output():
            await applier.apply(found)
    finally:
        left = steps[len(applier.done) :]
        if left:
            typer.echo(f"{len(applier.done)} of {len(steps)} steps done. Left:", err=True)
            for step in left:
                typer.echo(f"  {step.kind} {step.path}", err=True)
    if steps:
        typer.echo(f"{len(steps)} of {len(steps)} steps done, {session.calls.count} calls.")
