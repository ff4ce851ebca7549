"""Runs tiers of tests, some of them beside others, and says how long each took and how much of a CPU it had.

unit: no servers. pki: a real OpenBao alone. pythons: unit on every Python of this machine. replay: a
recorded sample of the differential tier. chart: Helm and kustomize, no cluster. integration: the real
testbed. rights: each rule of the RBAC taken away, on a testbed of its own. docs: the pages' command blocks,
typed as a reader does. browser: the status page and the docs in Chromium. zipapp: the command as one file,
built and run. demo: what `make demo` shows. e2e: image and chart on a real node. cardinality: 20,000 requests
in 500 namespaces. differential: the real approver-policy, which is built for it. status-page: the status page
while 20,000 requests wait. readers: approved names and generated chains, read and judged by Go, OpenSSL and
others. oldest: the oldest versions that the chart asks for. outage: 75 s of 502 on the signing path.
pki-interrupted: an apply ended at each of its calls. agent-soak: 50,000 handshakes while the agent renews,
and its writing killed at each system call. signing: a release signed and verified. platforms: the image for
amd64 and arm64, run under QEMU. step-issuer: moved from the real step-issuer and back, and ten minutes of a
step-ca that is stopped and rotated.

python -m tools.tiers unit integration [-- PYTEST-ARGUMENTS]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent

# The unit tests share nothing, so they run on all cores. The integration tests wait more than they work (for
# Leases, checks and alerts; a file uses a processor for a sixth to a third of its time): two clusters side by
# side, each with the files it is given. With a third, beside e2e and the other lines, two cores were short: a
# deletion of 1,500 requests took over 30 s, and nothing ended sooner.
PARALLEL = {
    "unit": ("-n", "auto", "--dist", "loadfile"),
    "replay": ("-n", "auto"),
    # By files, most of which build and render things once for all of their tests.
    "chart": ("-n", "auto", "--dist", "loadfile"),
    "integration": ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"),
    "docs": ("-n", "2", "--dist", "loadfile"),
    "pki": ("-n", "2", "--dist", "loadfile"),
    "pki-interrupted": ("-n", "2"),
    "agent": (),
    "oldest": ("-n", "2", "--dist", "loadfile"),
}
# Each of these lines of tiers begins with the tier it is listed for, and is shown when all has ended. The
# integration tests wait most and take longest: all others run beside them, nice to them. The two lines with
# servers take half a processor each. What is left is for pythons, which is nicest, and fills all processors
# when the other lines have ended: it waits for nothing. With more lines two processors were short: what
# waited for servers failed.
BESIDE = {
    "integration": (
        ("pki", "agent", "rights", "docs"),
        ("e2e", "zipapp", "demo", "browser", "chart", "replay"),
        ("pythons",),
    ),
}
NICE = ("nice", "-n", "5")
ONE_PROCESS = ("-n", "0")
# Taking each right away leaves requests behind that nobody could answer: that has a cluster of its own.
RIGHTS = "tests/integration/test_rights.py"
PATHS = {
    "integration": ("tests/integration", f"--ignore={RIGHTS}"),
    "rights": (RIGHTS,),
    # Not named test_*.py, so that it runs only when it is asked for.
    "cardinality": ("tests/integration/whole_cardinality.py",),
    "pki-interrupted": ("tests/pki/whole_interrupted.py",),
    "agent-soak": (
        "tests/agent/whole_soak.py",
        "tests/agent/whole_kills.py",
        "tests/agent/whole_machine.py",
        "tests/agent/whole_peer.py",
        "-s",
    ),
    "oldest": (
        "tests/chart/test_values.py",
        "tests/chart/test_usual_values.py",
        "tests/chart/test_pods.py",
        "tests/integration/test_chart.py",
        "tests/integration/test_admission_policy.py",
        "tests/integration/test_custom_resources.py",
        "tests/integration/test_certificates.py",
        "tests/integration/test_signing_requests.py",
    ),
    "outage": ("tests/integration/whole_outage.py",),
    "step-issuer": ("tests/integration/whole_step_issuer.py",),
    "status-page": ("tests/integration/whole_status_page.py",),
}
# The files that take longest, in that order: one that began last would be waited for alone.
LONGEST = (
    "fairness",
    "alerts",
    "revocation",
    "migrate",
    "rotation",
    "sharding",
    "canary",
    "canary_process",
    "burst",
)
LAST_FAILED = "--last-failed"
# What failed of these, while other tiers took the processors, is run once more when all have ended. What
# fails alone, too, fails the run; that something passed only then is said.
AGAIN = ("unit", "pythons", "integration", "pki", "agent", "rights", "docs", "browser")
COMMANDS = {
    "demo": ("-m", "testbed.demo"),
    "e2e": ("-m", "testbed.node"),
    "pythons": ("-m", "tools.pythons"),
}
# The servers are written in Go and have memory enough: looking for garbage less often spares the API server a
# tenth of its processor time and more.
ENVIRONMENT = {"GOGC": "400"}
_running: set[subprocess.Popen[str]] = set()
# Exit codes of commands that have said why this machine can't run them.
SKIPPED = {"e2e": 75}


def main(arguments: list[str]) -> int:
    """Exit code 0 when every tier passed, else the first failing one's."""
    tiers, extra = arguments, []
    if "--" in arguments:
        split = arguments.index("--")
        tiers, extra = arguments[:split], arguments[split + 1 :]
    lines = {tier: _asked(BESIDE.get(tier, ()), tiers) for tier in tiers}
    aside = {one for of in lines.values() for line in of for one in line}
    ran: list[Ran] = []
    others: list[Future[list[Ran]]] = []
    stopped = threading.Event()
    with ThreadPoolExecutor() as threads, ended_with_us(stopped):
        for tier in tiers:
            if tier not in aside:
                others += [threads.submit(_in_turn, line, extra, stopped) for line in lines[tier]]
                ran.append(run(tier, extra))
        ran += [shown(one) for other in others for one in other.result()]
        ran = [again(one) for one in ran]
    for one in ran:
        print(one)
    return next((one.code for one in ran if one.code), 0)


def _asked(lines: Iterable[Sequence[str]], tiers: Sequence[str]) -> list[list[str]]:
    """The lines with those tiers alone that are asked for; empty lines are left out."""
    chosen = [[tier for tier in line if tier in tiers] for line in lines]
    return [line for line in chosen if line]


def _in_turn(tiers: Iterable[str], extra: list[str], stopped: threading.Event) -> list[Ran]:
    return [run(tier, extra, aside=True) for tier in tiers if not stopped.is_set()]


@contextmanager
def ended_with_us(stopped: threading.Event | None = None) -> Iterator[None]:
    """When we are interrupted or told to end, end what runs, and set `stopped` so that no more begins."""

    def told(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except BaseException:
        if stopped is not None:
            stopped.set()
        for process in list(_running):
            _end(process)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process: subprocess.Popen[str]) -> None:
    """Tell a tier's processes to end; those with servers stop them. SIGINT a background job may not hear."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a tier ended.

    Attributes:
        seconds, cpu_seconds: its time, and what it and all its servers used of the processors.
        output: what it printed, where that was not shown yet.
        repeated: whether its failed tests were run once more.
    """

    tier: str
    code: int
    seconds: float
    cpu_seconds: float
    output: str | None = None
    repeated: bool = False

    def __str__(self) -> str:
        ended = "FAILED" if self.code else "passed"
        if self.repeated:
            ended += ", with tests run once more and alone,"
        return f"{self.tier:>12}: {ended} in {self.seconds:.0f} s ({self.cpu_seconds:.0f} s of a CPU)"


def command(tier: str) -> list[str]:
    """What runs a tier."""
    if tier in COMMANDS:
        return [sys.executable, *COMMANDS[tier]]
    # Of a folder pytest would collect the files in the order of their names.
    where = test_files(tier) if tier == "integration" else PATHS.get(tier, (f"tests/{tier}",))
    # Each tier remembers by itself what failed: they run at the same time.
    cache = f"cache_dir=.pytest_cache/{tier}"
    return [sys.executable, "-m", "pytest", *where, *PARALLEL.get(tier, ()), "-o", cache]


def test_files(tier: str) -> list[str]:
    """The files of a tier that pytest collects: those that take longest, then the others by name."""
    given = PATHS.get(tier, (f"tests/{tier}",))
    ignored = {one.removeprefix("--ignore=") for one in given if one.startswith("--ignore=")}
    found: list[str] = []
    for path in (ROOT / one for one in given if not one.startswith("--")):
        files = path.rglob("test_*.py") if path.is_dir() else [path]
        found += sorted(str(file.relative_to(ROOT)) for file in files)
    first = [f"tests/integration/test_{name}.py" for name in LONGEST]
    place = {name: number for number, name in enumerate(first)}
    return sorted((one for one in found if one not in ignored), key=lambda one: place.get(one, len(place)))


def run(tier: str, extra: Sequence[str] = (), *, aside: bool = False) -> Ran:
    """Run one tier; what it prints is kept when it runs aside."""
    if not aside:
        print(f"== {tier} tests", flush=True)
        return finished(tier, [*command(tier), *extra])
    with tempfile.TemporaryFile("w+") as kept:
        ran = finished(tier, [*NICE, *command(tier), *extra], kept)
        kept.seek(0)
        return Ran(ran.tier, ran.code, ran.seconds, ran.cpu_seconds, kept.read())


def again(ran: Ran) -> Ran:
    """Run the failed tests of a tier once more, alone: how they end counts."""
    if ran.code != 1 or ran.tier not in AGAIN:  # 1: pytest ran, and tests failed
        return ran
    print(f"== {ran.tier} tests that failed, once more and alone", flush=True)
    failed = (LAST_FAILED, "--last-failed-no-failures=none", *ONE_PROCESS)
    second = finished(ran.tier, [*command(ran.tier), *failed])
    seconds, cpu_seconds = ran.seconds + second.seconds, ran.cpu_seconds + second.cpu_seconds
    return Ran(ran.tier, second.code, seconds, cpu_seconds, repeated=True)


def finished(tier: str, words: Sequence[str], output: IO[str] | None = None) -> Ran:
    """Run a command to its end; its output goes to a file, if there is one."""
    started = time.monotonic()
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        text=True,
        process_group=0,
        env={**ENVIRONMENT, **os.environ},
    )
    _running.add(process)
    try:
        # Unlike Popen.wait this tells what this one process and its descendants used.
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        _end(process)
        process.wait()
        raise
    finally:
        _running.discard(process)
    process.returncode = os.waitstatus_to_exitcode(status)
    code = 0 if process.returncode == SKIPPED.get(tier) else process.returncode
    return Ran(tier, code, time.monotonic() - started, usage.ru_utime + usage.ru_stime)


def shown(ran: Ran) -> Ran:
    """Show what a tier that ran aside has printed."""
    print(f"== {ran.tier} tests, which ran beside\n{ran.output}", flush=True)
    return ran


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
