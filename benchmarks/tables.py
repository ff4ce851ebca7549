"""Results as tables: medians with their spread, for a terminal and for a page. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmarks.spread import Spread, ratios, spread

# What is shown for a scenario: the value's key, its heading, and digits after the point.
Column = tuple[str, str, int]
RATE: Column = ("per_second", "certs/s", 0)
RATE_AFTER: Column = ("per_second_after_first", "after the first", 0)
FIRST: Column = ("first_seconds", "first, s", 2)
MEDIAN: Column = ("p50_ms", "p50 ms", 0)
TAIL: Column = ("p99_ms", "p99 ms", 0)
COSTS: tuple[Column, ...] = (
    ("controller_cpu_ms", "controller CPU ms", 2),
    ("apiserver_cpu_ms", "API server", 2),
    ("etcd_cpu_ms", "etcd", 2),
    ("vault_cpu_ms", "Vault", 2),
    ("step-ca_cpu_ms", "step-ca", 2),
    ("webhook_cpu_ms", "webhook", 2),
    ("rss_peak_mb", "peak MB", 0),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "start": (FIRST, ("rss_peak_mb", "peak MB", 0)),
    "burst": (RATE, RATE_AFTER, FIRST, MEDIAN, TAIL, *COSTS),
    "steady": (RATE, MEDIAN, TAIL, *COSTS),
    "renewal": (RATE, MEDIAN, TAIL, *COSTS),
}


class Results(Protocol):
    """What of a run a table needs."""

    titles: dict[str, str]

    def by_round(self, system: str, scenario: str, value: str) -> dict[int, float]:
        """One value of one system in one scenario, by round."""

    def scenarios(self, system: str) -> list[str]:
        """What was measured of a system, in order."""


def rows(run: Results, scenario: str) -> list[list[str]]:
    """The heading, then a row for each system that was measured in the scenario."""
    columns = [one for one in COLUMNS[scenario.partition("-")[0]] if _measured(run, scenario, one[0])]
    table = [["", *(heading for _, heading, _ in columns)]]
    for system in run.titles:
        if not run.by_round(system, scenario, columns[0][0]):
            continue
        cells = []
        for value, _, digits in columns:
            found = run.by_round(system, scenario, value)
            cells.append(spread(list(found.values())).text(digits) if found else "")
        table.append([system, *cells])
    return table


SUMMARY: tuple[tuple[str, Column], ...] = (
    ("burst", ("per_second", "certs/s in a burst", 0)),
    ("burst", ("controller_cpu_ms", "controller CPU ms each", 1)),
    ("burst", ("apiserver_cpu_ms", "API server CPU ms each", 1)),
    ("burst", ("rss_peak_mb", "peak MB", 0)),
    ("steady-20", ("p99_ms", "p99 ms at 20/s", 0)),
)


def summary_rows(run: Results) -> list[list[str]]:
    """What each system is, in words, and its medians that matter most."""
    table = [["", *(heading for _, (_, heading, _) in SUMMARY)]]
    for system, title in run.titles.items():
        cells = []
        for scenario, (value, _, digits) in SUMMARY:
            found = run.by_round(system, scenario, value)
            cells.append(f"{spread(list(found.values())).median:.{digits}f}" if found else "")
        table.append([title, *cells])
    return table


def _measured(run: Results, scenario: str, value: str) -> bool:
    return any(run.by_round(system, scenario, value) for system in run.titles)


def ratio(run: Results, scenario: str, value: str, ours: str, theirs: str) -> Spread | None:
    """Ours divided by theirs, round by round; None when they share no round."""
    left, right = run.by_round(ours, scenario, value), run.by_round(theirs, scenario, value)
    return ratios(left, right) if left.keys() & right.keys() else None


RATIOS: tuple[tuple[str, str, str], ...] = (
    ("burst, certs/s", "burst", "per_second"),
    ("burst, after the first", "burst", "per_second_after_first"),
    ("renewal, certs/s", "renewal", "per_second"),
    ("p99 at 20/s", "steady-20", "p99_ms"),
    ("p99 at 60/s", "steady-60", "p99_ms"),
    ("controller CPU", "burst", "controller_cpu_ms"),
)


ON_STEP_CA: frozenset[str] = frozenset({"vault-issuer-step", "step-issuer"})
"""Systems that sign by step-ca; the others sign by Vault, so their ratios would compare the CAs."""


def ratio_rows(run: Results, ours: str) -> list[list[str]]:
    """Ours divided by each other system on the same CA, in what was measured of ours; round by round."""
    columns = [one for one in RATIOS if run.by_round(ours, one[1], one[2])]
    table = [["", *(heading for heading, _, _ in columns)]]
    for system in run.titles:
        if system == ours or (system in ON_STEP_CA) != (ours in ON_STEP_CA):
            continue
        found = [ratio(run, scenario, value, ours, system) for _, scenario, value in columns]
        table.append([f"{ours} / {system}", *("" if one is None else one.text(2) for one in found)])
    return table


GROWTH: tuple[Column, ...] = (RATE, FIRST, *COSTS)


def growth_rows(run: Results, curve: str, names: Mapping[str, str] | None = None) -> list[list[str]]:
    """The heading, then a row for each size of a curve; `names` replaces sizes by words."""
    sizes = run.scenarios(curve)
    columns = [one for one in GROWTH if any(run.by_round(curve, size, one[0]) for size in sizes)]
    table = [["", *(heading for _, heading, _ in columns)]]
    for size in sizes:
        cells = []
        for value, _, digits in columns:
            found = run.by_round(curve, size, value)
            cells.append(spread(list(found.values())).text(digits) if found else "")
        table.append([(names or {}).get(size, size), *cells])
    return table


def text(table: Sequence[Sequence[str]]) -> str:
    """Aligned columns for a terminal."""
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def markdown(table: Sequence[Sequence[str]]) -> str:
    """The same for a page; ends with a newline."""
    head, *body = table
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)
