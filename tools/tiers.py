"""Runs tiers of tests one after the other and says how long each took.

unit: no servers. replay: a recorded sample of the differential tier. chart: Helm and kustomize, no
cluster. integration: the real testbed. rights: each rule of the RBAC taken away, on a testbed of its own.
docs: the pages' command blocks, typed as a reader does. browser: the status page and the docs in Chromium.
cardinality: 20,000 requests in 500 namespaces. differential: the real approver-policy, which is built for it.
status-page: the status page while 20,000 requests wait.

python tools/tiers.py unit integration [-- PYTEST-ARGUMENTS]
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The unit tests share nothing, so they run on all cores. The integration tests wait more than they work: two
# clusters side by side, each with the files it is given.
PARALLEL = {
    "unit": ("-n", "auto", "--dist", "loadfile"),
    "replay": ("-n", "auto"),
    "chart": ("-n", "auto"),
    "integration": ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
    "docs": ("-n", "2", "--dist", "loadfile"),
}
# These run while the tier named after them does, and are told when they end.
BESIDE = {"rights": "integration"}
# Taking each right away leaves requests behind that nobody could answer: that has a cluster of its own.
RIGHTS = "tests/integration/test_rights.py"
PATHS = {
    "integration": ("tests/integration", f"--ignore={RIGHTS}"),
    "rights": (RIGHTS,),
    # Not named test_*.py, so that it runs only when it is asked for.
    "cardinality": ("tests/integration/whole_cardinality.py",),
    "status-page": ("tests/integration/whole_status_page.py",),
}


def main(arguments: list[str]) -> int:
    """Exit code 0 when every tier passed, else the first failing one's."""
    tiers, extra = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        tiers, extra = arguments[:split], arguments[split + 1 :]
    beside = {tier: BESIDE[tier] for tier in tiers if BESIDE.get(tier) in tiers}
    ran: list[Ran] = []
    with ThreadPoolExecutor() as threads:
        for tier in tiers:
            if tier not in beside:
                others = [
                    threads.submit(run, one, extra, aside=True) for one, of in beside.items() if of == tier
                ]
                ran += [run(tier, extra), *(told(other.result()) for other in others)]
    for one in ran:
        print(f"{one.tier:>12}: {'FAILED' if one.code else 'passed'} in {one.seconds:.1f} s")
    return next((one.code for one in ran if one.code), 0)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a tier's pytest ended; ``output`` is what it printed, where that was not shown yet."""

    tier: str
    code: int
    seconds: float
    output: str | None


def run(tier: str, extra: list[str], *, aside: bool = False) -> Ran:
    """Run one tier; what it prints is kept when it runs aside."""
    if not aside:
        print(f"== {tier} tests", flush=True)
    where = PATHS.get(tier, (f"tests/{tier}",))
    command = [sys.executable, "-m", "pytest", *where, *PARALLEL.get(tier, ()), *extra]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        text=True,
        stdout=subprocess.PIPE if aside else None,
        stderr=subprocess.STDOUT if aside else None,
    )
    return Ran(tier, done.returncode, time.monotonic() - started, done.stdout)


def told(ran: Ran) -> Ran:
    """Show what a tier that ran aside has printed."""
    print(f"== {ran.tier} tests, which ran beside\n{ran.output}", flush=True)
    return ran


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
