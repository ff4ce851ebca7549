"""A plan as lines for people. Colours are the terminal's; nothing of the data is read as markup."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any, Final

from issuer.manifests.text import shown
from issuer.pki.plan.planning import NOT_COMPARED, PkiPlan
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.resource import FieldChange
from issuer.terminal.console import Console, Text

_MARKS: Final = {
    StepAction.CREATE: ("+", "green"),
    StepAction.CHANGE: ("~", "yellow"),
    StepAction.RESUME: (">", "yellow"),
    StepAction.REMOVE: ("-", "red"),
    StepAction.BY_HAND: ("!", "magenta"),
    StepAction.ROTATE: ("!", "magenta"),
    StepAction.NONE: (" ", "dim"),
}
_VALUE_CHARS: Final = 200


def show_plan(plan: PkiPlan, console: Console) -> None:
    """Print the steps that do something, what can't be compared, and a summary."""
    show_steps(plan, console)
    sent = {(one.path, change.name) for one in plan.applied for change in one.changes}
    unseen = [
        (one, field) for one in plan.steps for field in one.not_comparable if (one.path, field) not in sent
    ]
    for step, field in unseen:
        console.print(
            Text(f"  {step.path}: {field} is {NOT_COMPARED}; --resend sends it again", style="dim"),
            soft_wrap=True,
        )
    for note in plan.notes:
        console.print(Text(f"  {note}", style="dim"), soft_wrap=True)
    console.print(summary(plan), soft_wrap=True)


def show_steps(plan: PkiPlan, console: Console) -> None:
    """Print the steps that do something."""
    steps = (one for one in plan.steps if one.action is not StepAction.NONE)
    lines = [line for one in steps for line in _step_lines(one)]
    if lines:  # at once: a third of the time that a print of each takes
        console.print(Text("\n").join(lines), soft_wrap=True)


def summary(plan: PkiPlan) -> Text:
    """Return one line that counts the steps."""
    counts = [
        f"{number} to {word}"
        for action, word in (
            (StepAction.CREATE, "create"),
            (StepAction.CHANGE, "change"),
            (StepAction.RESUME, "go on with"),
            (StepAction.REMOVE, "remove"),
        )
        if (number := sum(one.action is action for one in plan.steps))
    ]
    same = sum(one.action is StepAction.NONE for one in plan.steps)
    nothing = "Nothing to do beside what is refused" if plan.problems else "Nothing to do"
    text = f"{', '.join(counts) or nothing}; {same} as the file says."
    if plan.left:
        text += f" Left: {len(plan.left)} that this command doesn't do."
    return Text(text, style="bold")


def _step_lines(step: PkiStep) -> Iterator[Text]:
    mark, style = _MARKS[step.action]
    yield Text.assemble(
        (f"{mark} {step.action.value} {step.kind} ", style), (step.path, "bold"), (f"  {step.place}", "dim")
    )
    for change in step.changes:
        yield from _change_lines(change, step.action)
    for line in step.note.splitlines():
        yield Text(f"    {line}", style="dim")


def _change_lines(change: FieldChange, action: StepAction) -> Iterator[Text]:
    if isinstance(change.after, str) and "\n" in change.after:
        yield Text(f"    {change.name}:")
        before = str(change.before or "").splitlines()
        for line in difflib.unified_diff(before, change.after.splitlines(), lineterm="", n=1):
            if line.startswith(("---", "+++", "@@")):
                continue
            style = {"+": "green", "-": "red"}.get(line[:1], "dim")
            yield Text(f"      {line[:1]} {shown(line[1:], _VALUE_CHARS)}", style=style)
        return
    after = _value(change.after)
    if change.before is None and action is not StepAction.ROTATE:
        yield Text(f"    {change.name}: {after}", style="green")
        return
    yield Text.assemble(f"    {change.name}: ", (_value(change.before), "red"), " -> ", (after, "green"))


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, default=str)
    return shown(text, _VALUE_CHARS) or '""'
