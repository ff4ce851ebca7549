"""A verification as lines for people."""

from __future__ import annotations

from typing import Final

from issuer.manifests.text import shown
from issuer.pki.verify.item import Standing, Verification, VerifyItem
from issuer.terminal.console import Console, Text

_STYLES: Final = {
    Standing.STANDS: "green",
    Standing.DIFFERS: "red",
    Standing.MISSING: "red",
    Standing.NOT_CHECKED: "yellow",
}
_MESSAGE_CHARS: Final = 2000


def show_verification(verification: Verification, to: Console) -> None:
    """Print every item, and a line that counts them."""
    width = max(len(one.value) for one in Standing)
    for item in verification.items:
        to.print(_line(item, width), soft_wrap=True)
        if item.message:
            style = "dim" if item.standing is Standing.STANDS else ""
            to.print(Text(" " * (width + 2) + shown(item.message, _MESSAGE_CHARS), style=style))
    to.print(summary(verification), soft_wrap=True)


def summary(verification: Verification) -> Text:
    """Return one line that counts the verdicts."""
    counts = [f"{number} {one.value}" for one in Standing if (number := verification.count(one))]
    return Text(", ".join(counts), style="bold")


def _line(item: VerifyItem, width: int) -> Text:
    return Text.assemble(
        (f"{item.standing.value:<{width}}  ", _STYLES[item.standing]),
        f"{item.kind} ",
        (shown(item.path), "bold"),
        (f"  {item.place}", "dim"),
    )
