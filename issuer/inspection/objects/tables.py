"""Tables of accounts, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from issuer.explain.rendering import show_advice
from issuer.inspection.objects.account import Mark, ObjectAccount
from issuer.manifests.text import shown
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import bullets, cell, fields, rows, section

_COLOURS: Final = {
    Mark.GOOD: "green",
    Mark.BAD: "red",
    Mark.LOOK: "yellow",
    Mark.NOT_TRIED: "yellow",
    Mark.NOT_KNOWN: "yellow",
}


def show_account(found: ObjectAccount, to: Console) -> None:
    """Print an account: what it is, what was looked at, and what to do."""
    name = "/".join(filter(None, (found.namespace, found.name)))
    state = Text(shown(found.state, 1200), style=f"bold {'green' if found.good else 'red'}")
    fields(to, [(found.kind, name), ("State", state), *found.head])
    if found.items:
        section(to, "Checks")
        lines = [
            (Text(one.mark.value, style=_COLOURS[one.mark]), one.name, cell(one.text)) for one in found.items
        ]
        rows(to, ("Mark", "Item", "Found"), lines, most=None)
    for listed in found.lists:
        section(to, listed.title)
        rows(to, listed.headers, listed.rows)
    show_advice(found.cures, to)
    show_gaps(found.gaps, to)


def show_gaps(gaps: Sequence[str], to: Console) -> None:
    """Print what may not be read."""
    if gaps:
        section(to, "Not shown")
        bullets(to, gaps, style="yellow")
