"""Reports of endpoints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from issuer.manifests.text import shown
from issuer.terminal.ages import until
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import Cell, bullets, indented, listed, marked, rows, section
from issuer.text import rfc3339
from issuer.verifying.checking import EndpointReport, key_of
from issuer.verifying.findings import EndpointFinding
from issuer.verifying.names import names_of
from issuer.x509.describe import issuer_text, serial_hex, subject_text

_NARROW: Final = ("Endpoint", "Ends", "Life left", "Verified by", "State")
_WIDE: Final = (
    "Endpoint", "Address", "Name", "Names", "Serial", "Issuer", "Ends", "Life left", "Key", "CAs sent",
    "Verified by", "TLS", "State",
)  # fmt: skip
_SHOWN: Final = 60


def show_reports(reports: Sequence[EndpointReport], to: Console, *, wide: bool) -> None:
    """Print a table, and below it what was found at each endpoint, with what to do."""
    cells = _wide if wide else _narrow
    rows(to, _WIDE if wide else _NARROW, [cells(one) for one in reports], None)
    for report in reports:
        if report.findings:
            section(to, title(report))
            for finding in report.findings:
                _show(finding, to)


def title(report: EndpointReport) -> str:
    """Return the endpoint, with the name that was asked for and its address where these differ."""
    name = f" as {report.name}" if report.name != report.endpoint.host else ""
    address = report.addresses[0] if report.addresses else ""
    at = f" at {', '.join(report.addresses)}" if address and address != str(report.endpoint) else ""
    return shown(f"{report.endpoint}{name}{at}", 400)


def _show(finding: EndpointFinding, to: Console) -> None:
    bullets(to, [finding.text], style="red" if finding.is_problem else "yellow")
    if finding.cure:
        indented(to, f"to do: {finding.cure}")


def _narrow(report: EndpointReport) -> list[Cell]:
    served = report.served
    return [
        str(report.endpoint),
        "-" if served is None else until(served.leaf.not_valid_after_utc, report.now),
        "-" if served is None else f"{report.life_left:.0%}",
        "-" if report.root is None else shown(subject_text(report.root), _SHOWN),
        _state(report),
    ]


def _wide(report: EndpointReport) -> list[Cell]:
    served = report.served
    leaf = None if served is None else served.leaf
    return [
        str(report.endpoint),
        " ".join(report.addresses),
        report.name,
        "-" if leaf is None else listed(names_of(leaf)),
        "-" if leaf is None else serial_hex(leaf),
        "-" if leaf is None else issuer_text(leaf),
        "-" if leaf is None else rfc3339(leaf.not_valid_after_utc),
        "-" if leaf is None else f"{report.life_left:.0%}",
        "-" if leaf is None else key_of(leaf),
        "-" if served is None else str(len(served.chain) - 1),
        "-" if report.root is None else subject_text(report.root),
        "-" if served is None else served.protocol or "-",
        _state(report),
    ]


def _state(report: EndpointReport) -> Text:
    codes = ", ".join(dict.fromkeys(one.code.value for one in report.problems or report.warnings))
    if report.problems:
        return marked(False, no=codes)
    if report.served is None:
        return marked(None, unknown=codes)
    return marked(None, unknown=f"ok, {codes}") if codes else marked(True, yes="ok")
