"""Explanations for people: the request, the decision, policy by policy and field by field, and advice.

Text from requests and policies goes through `shown` and into `Text`, so that it neither colours the terminal
nor is read as markup.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from issuer.explain.advice import Advice, advise
from issuer.explain.evaluation import Explanation
from issuer.explain.requested import DURATION, KEY, also_asked, requested
from issuer.manifests.text import shown
from issuer.policy.decision import PolicyResult, PolicyVerdict
from issuer.policy.evaluation import Violation

_WIDTH: Final = 120
"""Columns if there is no terminal to ask, such as in a CI log."""

_COLOURS: Final = {
    PolicyVerdict.APPROVED: "green",
    PolicyVerdict.DENIED: "red",
    PolicyVerdict.UNPROCESSED: "yellow",
}
_CONSTRAINTS: Final = {DURATION: "Duration", KEY: ".privateKey"}


def console() -> Console:
    """Return a console on standard output, as wide as the terminal or as a CI log."""
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def show(explanation: Explanation, to: Console) -> None:
    """Print the request, the decision and the advice."""
    to.print(_head(explanation))
    show_decision(explanation, to)
    show_advice(advise(explanation), to)


def show_decision(explanation: Explanation, to: Console) -> None:
    """Print what the policies say, one by one and field by field."""
    for note in (*explanation.policies.notes, *explanation.request.notes):
        to.print(Padding(Text(f"Note: {shown(note, 600)}", style="dim"), (0, 0, 0, 0)))
    if explanation.decision.results:
        to.print()
        to.print(_policies(explanation))
    for result in explanation.decision.results:
        _show_fields(explanation, result, to)


def _head(explanation: Explanation) -> Table:
    request, decision = explanation.request, explanation.decision
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    issuer = f"{request.issuer.kind}.{request.issuer.group}/{request.issuer.name}"
    table.add_row("Request", Text(shown(f"{request.title} ({request.kind}, {request.source})")))
    table.add_row("Issuer", Text(shown(issuer)))
    table.add_row("Requester", Text(_requester(explanation)))
    table.add_row("Decision", Text(verdict_text(explanation), style=f"bold {_COLOURS[decision.verdict]}"))
    return table


def _requester(explanation: Explanation) -> str:
    requester = explanation.requester
    if not requester.name and not requester.groups:
        return "not known"
    return shown(f"{requester.name or '(no name)'} (groups: {', '.join(requester.groups) or 'none'})")


def verdict_text(explanation: Explanation) -> str:
    """Return the decision in a sentence."""
    decision = explanation.decision
    if decision.verdict is PolicyVerdict.APPROVED:
        return f"Approved by the policy {decision.policy}"
    if decision.verdict is PolicyVerdict.DENIED:
        return "Denied: no policy that applies allows all of it"
    if decision.results:
        return "Unprocessed: no policy applies, so the request waits"
    return "Unprocessed: there is no policy, so the request waits"


def _policies(explanation: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Policy", no_wrap=True)
    table.add_column("Applies", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for result in explanation.decision.results:
        why, style = _why(result)
        table.add_row(
            Text(shown(result.name)), "yes" if result.applies else "no", Text(shown(why, 600), style=style)
        )
    return table


def _why(result: PolicyResult) -> tuple[str, str]:
    if not result.applies:
        return f"{result.reason}: {result.message}" if result.message else result.reason, "yellow"
    if result.violations:
        return f"denies: {len(result.violations)} violation{'s' * (len(result.violations) > 1)}", "red"
    return "approves", "green"


def _show_fields(explanation: Explanation, result: PolicyResult, to: Console) -> None:
    """Print each field against one policy; of one that lacks only a binding, what it would say."""
    unbound = result.name in explanation.would_violate
    if not result.applies and not unbound:
        return
    found = result.violations if result.applies else explanation.would_violate[result.name]
    to.print()
    to.print(
        Text(f"{shown(result.name)}, field by field{' (once it may be used)' if unbound else ''}", "bold")
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("Field", overflow="fold")
    table.add_column("Asked", overflow="fold")
    table.add_column("Result", overflow="fold")
    for field, asked, violation in _rows(explanation, found):
        mark, style = ("ok", "green") if violation is None else ("no", "red")
        message = "" if violation is None else violation.message
        table.add_row(
            Text(mark, style=style), Text(shown(field)), Text(shown(asked)), Text(shown(message, 600), style)
        )
    to.print(table)


def _rows(
    explanation: Explanation, violations: tuple[Violation, ...]
) -> Iterator[tuple[str, str, Violation | None]]:
    left = list(violations)
    fields = {field: ", ".join(values) for field, values in requested(explanation.facts).items()}
    for field, asked in (*fields.items(), *also_asked(explanation.facts).items()):
        about = [violation for violation in left if _is_about(violation.field, field)]
        left = [violation for violation in left if violation not in about]
        if not about:
            yield field, asked, None
        for violation in about:
            yield violation.field, asked, violation
    for violation in left:
        yield violation.field, "", violation


def _is_about(path: str, field: str) -> bool:
    if field in _CONSTRAINTS:
        return _CONSTRAINTS[field] in path
    return path == field or path.startswith((f"{field}.", f"{field}["))


def show_advice(found: Sequence[Advice], to: Console) -> None:
    """Print what to do, if there is anything."""
    if not found:
        return
    to.print()
    to.print(Text("What to do", style="bold"))
    for advice in found:
        to.print(Text(f"- {advice.text}"))
        if advice.yaml:
            to.print()
            # Neither wrapped nor coloured: it is there to be pasted.
            to.print(Text(_indented(advice.yaml)), soft_wrap=True)
            to.print()


def _indented(text: str) -> str:
    return "\n".join(shown(line, 10_000) if line else line for line in text.rstrip("\n").split("\n"))
