"""Plan of a migration for people, on a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from issuer.manifests.text import shown
from issuer.migrate.plan import CLUSTER, Action, Note, NoteLevel, Plan, PlanStep
from issuer.terminal.console import Console, Text, console
from issuer.terminal.tables import Cell, paragraph, rows, section, unwrapped

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
    to = console(sys.stderr if stderr else sys.stdout)
    rows(to, ("Plan", "From", "To"), map(_line, filter(_is_shown, plan.steps)), most=None)
    noted = [step for step in plan.steps if step.notes]
    if noted:
        to.print()
    for step in noted:
        unwrapped(to, shown(_heading(step), 600), style="bold")
        _notes(to, step.notes)
    if plan.notes:
        section(to, "All in all")
        _notes(to, plan.notes)
    to.print()
    paragraph(to, summary(plan))
    if not writes:
        paragraph(to, "This is a plan: nothing was written to a cluster.")


def _is_shown(step: PlanStep) -> bool:
    """Return True unless it is a new binding: its role tells."""
    kind = (step.manifest or {}).get("kind", "")
    return not (kind.endswith("Binding") and step.action is Action.CREATE)


def _line(step: PlanStep) -> tuple[Cell, ...]:
    kind = (step.manifest or {}).get("kind", "")
    new = f"{step.new} and its binding" if kind in ("Role", "ClusterRole") and not step.before else step.new
    return Text(step.action.value, style=_ACTIONS[step.action]), shown(step.old, 600), shown(new, 600)


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
        unwrapped(to, f"  {note.level.value}: {shown(note.text, 2000)}", style=_LEVELS[note.level])
