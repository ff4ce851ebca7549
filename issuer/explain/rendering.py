"""Explanations for people: the request, the decision, policy by policy and field by field, and advice.

Text from requests and policies goes through `shown` and into `Text`, so that it neither colours the terminal
nor is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from issuer.explain.advice import Advice, advise
from issuer.explain.evaluation import Explanation
from issuer.explain.requested import DURATION, KEY, also_asked, requested
from issuer.manifests.text import shown
from issuer.policy.decision import PolicyResult, PolicyVerdict
from issuer.policy.evaluation import Violation
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import Cell, bullets, fields, heading, marked, paragraph, pasted, rows, section

_COLOURS: Final = {
    PolicyVerdict.APPROVED: "green",
    PolicyVerdict.DENIED: "red",
    PolicyVerdict.UNPROCESSED: "yellow",
}
_CONSTRAINTS: Final = {DURATION: "Duration", KEY: ".privateKey"}


def show(explanation: Explanation, to: Console) -> None:
    """Print the request, the decision and the advice."""
    _head(explanation, to)
    show_decision(explanation, to)
    show_advice(advise(explanation), to)


def show_decision(explanation: Explanation, to: Console) -> None:
    """Print what the policies say, one by one and field by field."""
    for note in (*explanation.policies.notes, *explanation.request.notes):
        paragraph(to, f"Note: {shown(note, 600)}", style="dim")
    if explanation.decision.results:
        to.print()
        rows(to, ("Policy", "Applies", "Why"), map(_policy, explanation.decision.results), most=None)
    for result in explanation.decision.results:
        _show_fields(explanation, result, to)


def _head(explanation: Explanation, to: Console) -> None:
    request, decision = explanation.request, explanation.decision
    fields(
        to,
        [
            ("Request", f"{request.title} ({request.kind}, {request.source})"),
            ("Issuer", f"{request.issuer.kind}.{request.issuer.group}/{request.issuer.name}"),
            ("Requester", _requester(explanation)),
            ("Decision", Text(verdict_text(explanation), style=f"bold {_COLOURS[decision.verdict]}")),
        ],
    )


def _requester(explanation: Explanation) -> str:
    requester = explanation.requester
    if not requester.name and not requester.groups:
        return "not known"
    return shown(f"{requester.name or '(no name)'} (groups: {', '.join(requester.groups) or 'none'})")


def verdict_text(explanation: Explanation) -> str:
    """Return the decision in a sentence."""
    decision = explanation.decision
    if decision.verdict is PolicyVerdict.APPROVED:
        return f'Approved by the policy "{decision.policy}"'
    if decision.verdict is PolicyVerdict.DENIED:
        return "Denied: no policy that applies allows all of it"
    if decision.results:
        return "Unprocessed: no policy applies, so the request waits"
    return "Unprocessed: there is no policy, so the request waits"


def _policy(result: PolicyResult) -> tuple[Cell, ...]:
    why, style = _why(result)
    return result.name, marked(result.applies), Text(shown(why, 600), style=style)


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
    heading(to, f"{shown(result.name)}, field by field{' (once it may be used)' if unbound else ''}")
    rows(to, ("", "Field", "Asked", "Result"), map(_field, _rows(explanation, found)), most=None)


def _field(row: tuple[str, str, Violation | None]) -> tuple[Cell, ...]:
    field, asked, violation = row
    if violation is None:
        return marked(True, "ok"), field, asked, ""
    return marked(False), field, asked, Text(shown(violation.message, 600), style="red")


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
    section(to, "What to do")
    for advice in found:
        bullets(to, [advice.text])
        for part in filter(None, (advice.yaml, advice.command)):
            pasted(to, part)
