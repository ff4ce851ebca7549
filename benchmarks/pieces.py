"""Pieces of pages that one run gives, by the names of their marks: tables, and what was measured on what."""

from __future__ import annotations

from typing import Final

from benchmarks import growth, keeping, tables
from benchmarks.runner import Run

OURS: Final = "vault-issuer"
OURS_ON_STEP_CA: Final = "vault-issuer-step"
BENCH_ON_STEP_CA: Final = f"bench{keeping.ON_STEP_CA}"


def compared(kind: str, run: Run) -> dict[str, str]:
    """Return the tables of a run that compared systems; `kind` is what it is kept as."""
    pieces = {f"{kind}-about": _about(run)}
    for scenario in dict.fromkeys(one.scenario for one in run.measurements):
        pieces[f"{kind}-{scenario}"] = tables.markdown(tables.rows(run, scenario))
    if kind == "bench":
        pieces["bench-summary"] = tables.markdown(tables.summary_rows(run))
    ours = OURS_ON_STEP_CA if kind.endswith(keeping.ON_STEP_CA) else OURS
    pieces[f"{kind}-ratios"] = tables.markdown(tables.ratio_rows(run, ours))
    return pieces


def grown(run: Run) -> dict[str, str]:
    """Return the tables of a run in which one thing after the other grew."""
    contents = {str(size): words for size, (words, _) in growth.CONTENTS.items()}
    named = {"contents": contents}
    pieces = {"bench-growth-about": _about(run)}
    for curve in run.titles:
        rows = tables.growth_rows(run, curve, named.get(curve))
        pieces[f"bench-growth-{curve}"] = tables.markdown(rows)
    return pieces


def _about(run: Run) -> str:
    machine, versions = run.machine, run.versions
    programs = ", ".join(f"{name} {version}" for name, version in versions.items())
    rounds = run.plan.get("rounds")
    return (
        f"Measured on {machine['date']} at commit {machine['commit']}: {machine['cores']} cores "
        f"({machine.get('processor') or machine['architecture']}), Python {machine['python']}, {programs}; "
        f"medians (least-most) of {rounds} round{'' if rounds == 1 else 's'}.\n"
    )
