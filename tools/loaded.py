"""Runs a tier of tests on a machine that has too much to do, its files in another order each time.

Tests that wait for a time instead of a condition, or for what another file left behind, fail here first. The
seed is printed; SEED=1234 gives the same order again. A tier that has a command of its own (e2e, pythons)
keeps its order. The busy loops end with the tests, or by themselves
after an hour. TIMES=0 makes none, where the machine has enough to do.

SEED=1234 python -m tools.loaded unit [-- PYTEST-ARGUMENTS]
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tools.tiers import COMMANDS, PARALLEL, command, ended_with_us, finished, test_files

TIMES = int(os.environ.get("TIMES", "5"))
"""Busy loops for each processor: with the tests themselves it has six times as much to do as it can."""
LONGEST = 3600
"""Seconds after which a busy loop ends by itself; it does as well when whoever started it has ended."""
_LOOP = (
    f"import os, time\nparent, end = os.getppid(), time.monotonic() + {LONGEST}\n"
    "while time.monotonic() < end and os.getppid() == parent: pass"
)


def main(arguments: list[str]) -> int:
    """The exit code of the tier's tests."""
    tier, *extra = [one for one in arguments if one != "--"]
    seed = int(os.environ.get("SEED") or random.randrange(10_000))  # noqa: S311  # an order of files
    loops = TIMES * len(os.sched_getaffinity(0))
    print(f"== {tier} tests beside {loops} busy loops, files in the order of SEED={seed}", flush=True)
    with busy(loops), ended_with_us():
        ran = finished(tier, [*shuffled(tier, seed), *extra])
    print(f"{ran}, SEED={seed}")
    return ran.code


def shuffled(tier: str, seed: int) -> list[str]:
    """Return what runs a tier: pytest with its files in the order of that seed, or a command of its own."""
    if tier in COMMANDS:
        return command(tier)
    files = test_files(tier)
    random.Random(seed).shuffle(files)  # noqa: S311
    parallel = PARALLEL.get(tier, ())
    if "loadfile" in parallel:
        parallel = (*(one for one in parallel if one != "--no-loadscope-reorder"), "--no-loadscope-reorder")
    return [sys.executable, "-m", "pytest", *files, *parallel]


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Have so many processes do nothing but use a processor."""
    with ExitStack() as stack:
        for _ in range(loops):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-I", "-S", "-c", _LOOP]))
            stack.callback(process.kill)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
