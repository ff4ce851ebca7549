"""Plan of a migration for people, on a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from issuer.manifests.text import shown
from issuer.migrate.plan import CLUSTER, Action, Note, NoteLevel, Plan, PlanStep

_WIDTH: Final = 120
_ACTIONS: Final = {
    Action.CREATE: "green",
    Action.CHANGE: "yellow",
    Action.KEEP: "dim",
    Action.TODO: "yellow",
    Action.LEAVE: "dim",
    Action.REFUSE: "bold red",
}
_LEVELS: Final = {
    NoteLevel.INFO: "dim",
    NoteLevel.TODO: "yellow",
    NoteLevel.LOSS: "red",
    NoteLevel.ERROR: "bold red",
}


def show(plan: Plan, *, stderr: bool = False, writes: bool = False) -> None:
    """Print the plan: a line a step with its notes below, notes about the whole, and a count.

    `writes` says that it is about to be carried out.
    """
    stream = sys.stderr if stderr else sys.stdout
    to = Console(width=None if stream.isatty() else _WIDTH, highlight=False, stderr=stderr)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Plan", no_wrap=True)
    table.add_column("From", overflow="fold", ratio=1)
    table.add_column("To", overflow="fold", ratio=1)
    for step in plan.steps:
        kind = (step.manifest or {}).get("kind", "")
        if kind.endswith("Binding") and step.action is Action.CREATE:
            continue  # its role tells
        style = _ACTIONS[step.action]
        new = (
            f"{step.new} and its binding" if kind in ("Role", "ClusterRole") and not step.before else step.new
        )
        table.add_row(Text(step.action.value, style=style), Text(shown(step.old, 600)), Text(shown(new, 600)))
    to.print(table)
    noted = [step for step in plan.steps if step.notes]
    if noted:
        to.print()
    for step in noted:
        to.print(Text(shown(_heading(step), 600), style="bold"), soft_wrap=True)
        _notes(to, step.notes)
    if plan.notes:
        to.print()
        to.print(Text("All in all", style="bold"))
        _notes(to, plan.notes)
    to.print()
    to.print(Text(summary(plan)))
    if not writes:
        to.print(Text("This is a plan: nothing was written to a cluster."))


def summary(plan: Plan) -> str:
    """Return the counts of a plan on one line."""
    levels = Counter(note.level for note in plan.all_notes())
    parts = [f"{len(plan.created)} to create", f"{len(plan.changed)} to change"]
    parts += [
        f"{levels[level]} {what}"
        for level, what in (
            (NoteLevel.TODO, "to do by hand"),
            (NoteLevel.LOSS, "not carried over"),
            (NoteLevel.ERROR, "errors"),
        )
        if levels[level]
    ]
    return f"{', '.join(parts)}."


def _heading(step: PlanStep) -> str:
    """Return the object, and its file if somebody has to look at it."""
    levels = {note.level for note in step.notes}
    show_source = step.source and step.source != CLUSTER and levels != {NoteLevel.INFO}
    return f"{step.title} ({step.source})" if show_source else step.title


def _notes(to: Console, notes: tuple[Note, ...]) -> None:
    for note in notes:
        # Not wrapped, as some hold a command to paste.
        to.print(
            Text(f"  {note.level.value}: {shown(note.text, 2000)}", style=_LEVELS[note.level]), soft_wrap=True
        )
