"""A health report as lines for people."""

from __future__ import annotations

from typing import Final

from issuer.manifests.text import shown
from issuer.pki.health.finding import Gravity, HealthFinding, HealthReport
from issuer.pki.health.fixes import to_lines
from issuer.terminal.console import Console, Text

_STYLES: Final = {
    Gravity.CRITICAL: "red",
    Gravity.WARNING: "yellow",
    Gravity.INFORMATIONAL: "cyan",
    Gravity.NOT_CHECKED: "magenta",
    Gravity.OK: "green",
    Gravity.NOT_APPLICABLE: "dim",
}
_QUIET: Final = (Gravity.OK, Gravity.NOT_APPLICABLE)
_MESSAGE_CHARS: Final = 2000


def show_report(report: HealthReport, to: Console, *, everything: bool = False) -> None:
    """Print the findings, the gravest first, each with the lines that mend it, and a line that counts."""
    ordered = sorted(report.findings, key=lambda one: -one.severity.rank)
    for finding in ordered:
        if everything or finding.severity not in _QUIET:
            _show(finding, to)
    to.print(summary(report), soft_wrap=True)


def summary(report: HealthReport) -> Text:
    """Return one line that counts the findings."""
    counts = [
        f"{number} {one.value.replace('_', ' ')}"
        for one in reversed(Gravity)
        if (number := report.count(one))
    ]
    mounts = ", ".join(report.mounts) or "no PKI mount"
    return Text(f"{mounts}: {', '.join(counts) or 'nothing to check'}", style="bold")


def _show(finding: HealthFinding, to: Console) -> None:
    to.print(
        Text.assemble(
            (finding.severity.value.replace("_", " "), _STYLES[finding.severity]),
            f"  {finding.check}  ",
            (shown(finding.endpoint), "bold"),
            (f"  {finding.place}", "dim"),
        ),
        soft_wrap=True,
    )
    to.print(Text(f"  {shown(finding.message, _MESSAGE_CHARS)}"))
    if finding.severity in _QUIET:
        return
    if finding.instead:
        to.print(Text(f"    {shown(finding.instead, _MESSAGE_CHARS)}", style="green"), soft_wrap=True)
    for line in to_lines(finding.fix).splitlines():
        to.print(Text(f"    {shown(line, _MESSAGE_CHARS)}" if line else "", style="green"), soft_wrap=True)
