"""Runs kept in `results/`: one JSON file a run, named by its kind, day, commit and a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from benchmarks.runner import Measurement, Run

RESULTS = Path(__file__).with_name("results")
ON_STEP_CA = "-step-ca"
"""Behind the kind of a run whose systems all sign by step-ca, so that it replaces none of all systems."""


def save(kind: str, document: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write a run's document (it has `machine`); returns the file."""
    about = document["machine"]
    stem = f"{kind}-{about['date']}-{about['commit']}"
    numbers = (f"{stem}{suffix}.json" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    path = next(folder / name for name in numbers if not (folder / name).exists())
    folder.mkdir(exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    return path


def latest(kind: str, folder: Path = RESULTS) -> dict[str, Any]:
    """The newest run of a kind; FileNotFoundError, with what to run, when there is none."""
    found = [orjson.loads(path.read_bytes()) for path in folder.glob(f"{kind}-2*.json")]
    if not found:
        raise FileNotFoundError(f"{folder} holds no run of `make {kind}` yet: run it first")
    newest: dict[str, Any] = max(found, key=lambda one: one["machine"]["time"])
    return newest


def run_of(kept: dict[str, Any]) -> Run:
    """The run of a kept document."""
    measurements = [Measurement(**one) for one in kept["measurements"]]
    return Run(kept["machine"], kept["plan"], kept["versions"], kept["titles"], measurements)
