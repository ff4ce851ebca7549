"""Results written between the marks of a page."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import keeping
from benchmarks.marks import PAGES, fill
from benchmarks.pieces import compared
from benchmarks.plan import Plan
from benchmarks.runner import Run
from tests.unit.benchmarks.runs import run

PAGE = "before\n<!-- results: one -->\nold\n<!-- end -->\nbetween\n<!-- results: two -->\n<!-- end -->\n"


def test_a_piece_replaces_what_stands_between_its_marks_and_nothing_else() -> None:
    filled = fill(PAGE, {"one": "| new |\n"})
    assert filled == PAGE.replace("old\n", "\n| new |\n\n")
    assert fill(filled, {"one": "| new |\n"}) == filled


def test_every_mark_of_the_pages_has_its_end() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("<!-- results: ") == text.count("<!-- end -->")


def test_a_run_on_step_ca_is_kept_apart_and_fills_its_own_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of those two systems alone must not replace the tables of all systems."""
    values = {"per_second": 100.0, "p50_ms": 1.0, "p99_ms": 2.0, "first_seconds": 1.0, "rss_peak_mb": 90.0}
    systems = ("vault-issuer-step", "step-issuer")
    scenarios = Plan(systems).scenarios()
    made = run(*((0, system, scenario, values) for system in systems for scenario in scenarios))

    async def measured(_plan: Plan) -> Run:
        return made

    monkeypatch.setattr(command, "carry_out", measured)
    monkeypatch.setattr(keeping, "RESULTS", tmp_path)
    monkeypatch.setattr(keeping.save, "__defaults__", (tmp_path,))
    monkeypatch.setattr("sys.argv", ["bench", "full", "--systems", *systems, "--record"])
    assert command.main() == 0
    (kept,) = tmp_path.iterdir()
    assert kept.name.startswith("bench-step-ca-2")
    assert asdict(keeping.run_of(keeping.latest("bench-step-ca", tmp_path))) == asdict(made)
    with pytest.raises(FileNotFoundError):
        keeping.latest("bench", tmp_path)
    filled = compared("bench-step-ca", made)
    texts = (page.read_text() for page in PAGES)
    marks = {one for text in texts for one in re.findall(r"<!-- results: (bench-step-ca-[\w-]+)", text)}
    assert marks == filled.keys()
    assert "vault-issuer-step / step-issuer" in filled["bench-step-ca-ratios"]
