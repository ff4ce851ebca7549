"""Runs tiers of tests one after the other and says how long each took.

unit: no servers. replay: a recorded sample of the differential tier. chart: Helm and kustomize, no
cluster. integration: the real testbed. rights: each rule of the RBAC taken away, on a testbed of its own.
cardinality: 20,000 requests in 500 namespaces. differential: the real approver-policy, which is built for it.
browser: the status page in Chromium.

python tools/tiers.py unit integration [-- PYTEST-ARGUMENTS]
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The unit tests share nothing, so they run on all cores. The integration tests wait more than they work: two
# clusters side by side, each with the files it is given.
PARALLEL = {
    "unit": ("-n", "auto", "--dist", "loadfile"),
    "replay": ("-n", "auto"),
    "chart": ("-n", "auto"),
    "integration": ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
}
# Taking each right away leaves requests behind that nobody could answer: that has a cluster of its own.
RIGHTS = "tests/integration/test_rights.py"
PATHS = {
    "integration": ("tests/integration", f"--ignore={RIGHTS}"),
    "rights": (RIGHTS,),
    # Not named test_*.py, so that it runs only when it is asked for.
    "cardinality": ("tests/integration/whole_cardinality.py",),
}


def main(arguments: list[str]) -> int:
    """Exit code 0 when every tier passed, else the first failing one's."""
    tiers, extra = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        tiers, extra = arguments[:split], arguments[split + 1 :]
    took: list[tuple[str, float, str]] = []
    code = 0
    for tier in tiers:
        print(f"== {tier} tests", flush=True)
        started = time.monotonic()
        where = PATHS.get(tier, (f"tests/{tier}",))
        command = [sys.executable, "-m", "pytest", *where, *PARALLEL.get(tier, ()), *extra]
        result = subprocess.run(command, cwd=ROOT, check=False)
        took.append((tier, time.monotonic() - started, "passed" if result.returncode == 0 else "FAILED"))
        code = code or result.returncode
    for tier, seconds, how in took:
        print(f"{tier:>12}: {how} in {seconds:.1f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
