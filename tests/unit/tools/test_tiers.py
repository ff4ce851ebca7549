"""tools/tiers.py and tools/loaded.py: what runs beside what, what is told of it, and the order of files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import loaded, tiers

SPEAKS = "print('spoken by {0}')"
WAITS = "import pathlib, time\nwhile not pathlib.Path({0!r}).exists(): time.sleep(0.02)"
MAKES = "import pathlib; pathlib.Path({0!r}).touch(); print('made')"


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What each tier runs instead of tests."""
    given: dict[str, str] = {}
    monkeypatch.setattr(tiers, "command", lambda tier: [sys.executable, "-c", given[tier]])
    return given


def test_tiers_beside_run_while_the_other_does_and_are_shown_after_it(
    programs: dict[str, str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there = str(tmp_path / "there")
    programs |= {"integration": WAITS.format(there), "agent": SPEAKS.format("agent")}
    programs |= {"rights": SPEAKS.format("rights"), "e2e": MAKES.format(there)}
    assert tiers.main(["integration", "e2e", "agent", "rights"]) == 0
    told = capfd.readouterr().out
    order = [told.index(one) for one in ("spoken by agent", "spoken by rights", "made")]
    assert order == sorted(order)
    for tier in programs:
        assert f"{tier}: passed in" in told


@pytest.mark.parametrize("beside", [False, True])
def test_what_runs_beside_is_nice(
    programs: dict[str, str], capfd: pytest.CaptureFixture[str], beside: bool
) -> None:
    programs |= {"replay": "import os; print('nice by', os.nice(0))", "integration": ""}
    asked = ["integration", "replay"] if beside else ["replay"]
    assert tiers.main(asked) == 0
    assert f"nice by {min(os.nice(0) + 5 * beside, 19)}\n" in capfd.readouterr().out


def test_without_the_tier_they_run_beside_they_run_alone(
    programs: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    programs["rights"] = SPEAKS.format("rights")
    assert tiers.main(["rights"]) == 0
    assert capfd.readouterr().out.count("== rights tests\n") == 1


def test_a_failure_beside_fails_the_whole_and_a_skip_does_not(
    programs: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    programs |= {"integration": "", "rights": "raise SystemExit(3)", "e2e": "raise SystemExit(75)"}
    assert tiers.main(["integration", "rights", "e2e"]) == 3
    told = capfd.readouterr().out
    assert "rights: FAILED" in told
    assert "e2e: passed" in told


def test_what_failed_beside_others_is_run_once_more_and_told(
    programs: dict[str, str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    mark = str(tmp_path / "ran")
    once = (
        f"import pathlib, sys; there = pathlib.Path({mark!r}); "
        "code = not there.exists(); there.touch(); sys.exit(code)"
    )
    programs |= {"integration": once, "rights": "raise SystemExit(1)"}
    assert tiers.main(["integration"]) == 0
    assert "integration: passed, with tests run once more and alone," in capfd.readouterr().out
    assert tiers.main(["rights"]) == 1, "what fails alone, too, fails the run"
    assert "rights: FAILED, with tests run once more" in capfd.readouterr().out


STOPPABLE = """
import signal, sys
from tools import tiers
waits = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
tiers.command = lambda tier: [sys.executable, "-c", waits, f"{sys.argv[1]}/{tier}"]
tiers.main(["integration", "agent", "rights"])
"""


def test_who_ends_the_tiers_ends_what_runs_and_nothing_begins_after_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", STOPPABLE, str(tmp_path)]
    with subprocess.Popen(words, cwd=tiers.ROOT, stderr=subprocess.PIPE, text=True) as running:
        while {one.name for one in tmp_path.iterdir()} != {"integration", "agent"}:
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 128 + signal.SIGTERM
    assert {one.name for one in tmp_path.iterdir()} == {"integration", "agent"}


def test_what_a_tiers_servers_used_is_counted(programs: dict[str, str]) -> None:
    work = "import time\\nwhile time.process_time() < 0.3: pass"
    programs["unit"] = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{work}'])"
    assert tiers.run("unit").cpu_seconds >= 0.3


def test_every_tier_beside_another_has_a_command() -> None:
    for line in tiers.BESIDE["integration"]:
        for tier in line:
            assert tiers.command(tier)[0] == sys.executable


def test_every_integration_test_file_is_run_once_the_longest_first() -> None:
    files = tiers.test_files("integration")
    there = {f"tests/integration/{one.name}" for one in (tiers.ROOT / "tests/integration").glob("test_*.py")}
    assert sorted(files) == sorted(there - {tiers.RIGHTS})
    assert files[: len(tiers.LONGEST)] == [f"tests/integration/test_{name}.py" for name in tiers.LONGEST]
    assert tiers.command("integration")[3 : 3 + len(files)] == files
    assert tiers.test_files("rights") == [tiers.RIGHTS]


def test_a_seed_gives_the_same_order_again(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []

    def finished(tier: str, words: list[str]) -> tiers.Ran:
        ran.append(words)
        return tiers.Ran(tier, 0, 1.0, 1.0)

    monkeypatch.setattr(loaded, "finished", finished)
    monkeypatch.setattr(loaded, "TIMES", 0)
    for seed in ("1", "1", "2"):
        monkeypatch.setenv("SEED", seed)
        assert loaded.main(["unit"]) == 0
    assert ran[0] == ran[1] != ran[2]
    assert sorted(ran[0]) == sorted(ran[2])
    assert "SEED=2" in capfd.readouterr().out


def test_a_tier_with_a_command_is_loaded_by_that_command() -> None:
    assert loaded.shuffled("e2e", 1) == tiers.command("e2e")


def test_busy_loops_end_with_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, words: list[str]) -> None:
            super().__init__(words)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with loaded.busy(2):
        assert [one.poll() for one in started] == [None, None]
    assert [one.poll() for one in started] == [-9, -9]
