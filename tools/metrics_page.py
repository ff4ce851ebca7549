"""Writes the tables of docs/metrics.md from the catalogue of metrics, between their marks.

python -m tools.metrics_page [--check]

With --check nothing is written, and the exit code is 1 where the page differs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from issuer.controller.process.reason_labels import reason_labels
from issuer.signing.backends import built_in
from issuer.telemetry.catalogue.described import MetricDescription
from issuer.telemetry.catalogue.whole import PROCESS_SERIES, most_series, with_reasons

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
REASONS = reason_labels(backend.reasons for backend in built_in())
CATALOGUE = with_reasons(REASONS)
_BLOCK = re.compile(r"<!-- made: ([\w-]+) -->\n.*?<!-- made: end -->", re.DOTALL)


def filled(text: str) -> str:
    """The page with what is made in it, as it should be. Raises KeyError for a mark nobody knows."""
    made = {"metrics": metrics, "values": values, "count": count}
    return _BLOCK.sub(lambda found: f"<!-- made: {found[1]} -->\n{made[found[1]]()}<!-- made: end -->", text)


def metrics() -> str:
    """A heading and a table for each section."""
    parts = []
    for section, entries in groupby(CATALOGUE, key=lambda one: one.section):
        head = "| metric | type | labels | what it says | series |\n|---|---|---|---|---|\n"
        parts.append(f"\n### {section}\n\n{head}{''.join(map(_row, entries))}")
    return "".join([*parts, "\n"])


def values() -> str:
    """A row for each label whose values are the code's."""
    rows = "".join(
        f"| `{one.name}` | `{label}` | {', '.join(f'`{value}`' for value in found)} |\n"
        for one in CATALOGUE
        for label, found in one.labels.items()
        if found
    )
    return f"| metric | label | values |\n|---|---|---|\n{rows}"


def count() -> str:
    """The sum over all metrics."""
    base = most_series(0, 0, REASONS)
    issuer, policy = most_series(1, 0, REASONS) - base, most_series(0, 1, REASONS) - base
    small, large = most_series(1, 1, REASONS), most_series(50, 100, REASONS)
    return (
        f"```text\n{base} + {_times(issuer)}I + {_times(policy)}P\n```\n\n"
        f"That is {small} with one issuer and one policy, and {large} with 50 "
        f"issuers and 100 policies ({PROCESS_SERIES} of them are prometheus-client's own `process_*` and "
        "`python_gc_*`).\n"
    )


def _times(number: int) -> str:
    return f"{number} * " if number > 1 else ""


def series(one: MetricDescription) -> str:
    """The arithmetic of one metric: what a histogram has, its labels, and what it grows with."""
    factors = [str(number) for number in (one.each, one.combinations) if number > 1]
    if one.per:
        factors.append({"issuer": "I", "policy": "P"}[one.per])
    return " * ".join(factors or ["1"]) + (f" + {one.beside}" if one.beside else "")


def _row(one: MetricDescription) -> str:
    labels = ", ".join(f"`{name}`" for name in one.labels)
    when = f" Only with `{one.when}`." if one.when else ""
    return f"| `{one.name}` | {one.kind} | {labels} | {one.help}{when} | {series(one)} |\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description="Write the tables of docs/metrics.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page differs")
    check = parser.parse_args(arguments).check
    before = PAGE.read_text(encoding="utf-8")
    after = filled(before)
    if before == after:
        return 0
    if check:
        print("docs/metrics.md differs from the catalogue; run `make metrics-page`", file=sys.stderr)
        return 1
    PAGE.write_text(after, encoding="utf-8")
    print("docs/metrics.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
