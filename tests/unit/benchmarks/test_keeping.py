"""Results kept as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.keeping import latest, run_of, save
from tests.unit.benchmarks.runs import run

RUN = run((0, "vault-issuer", "burst", {"per_second": 200.0}))


def test_a_kept_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    assert save("bench", asdict(RUN), tmp_path).name == "bench-2026-11-24-abc1234.json"
    assert run_of(latest("bench", tmp_path)) == RUN


def test_nothing_is_overwritten_and_the_newest_is_read(tmp_path: Path) -> None:
    save("bench", asdict(RUN), tmp_path)
    later = asdict(RUN)
    later["machine"]["time"] = "2026-11-24T13:00:00Z"
    assert save("bench", later, tmp_path).name == "bench-2026-11-24-abc1234-2.json"
    assert latest("bench", tmp_path) == later


def test_kinds_are_kept_apart(tmp_path: Path) -> None:
    save("bench-growth", asdict(RUN), tmp_path)
    with pytest.raises(FileNotFoundError, match="make bench`"):
        latest("bench", tmp_path)
