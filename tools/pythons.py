"""Runs the unit tests on every Python of this machine that is promised; that of `.venv` in four shares.

What is judged must not hang on the patch level of an interpreter: Debian 12 has 3.11.2. Each Python gets the
locked packages by uv, in the testbed's cache, where the next clone finds them, compiled. A Python that can't
have them is named with the reason. Tests of this repository's files and tools, which `.venv` alone runs, are
left out.

python -m tools.pythons [-- PYTEST-ARGUMENTS]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbed.cache import cache_directory, cached, forget_old, used
from tests.examples import FEWER
from tools.bootstrap import LOCK, OLDEST
from tools.tiers import LAST_FAILED, ROOT, Ran, ended_with_us, finished

UV = Path(sys.executable).with_name("uv")
NICE = 10
"""Whoever waits for a server beside this comes first."""
LEFT_OUT = (
    "tests/unit/docs",
    "tests/unit/tools",
    "tests/unit/agent/process/test_units.py",
    "tests/unit/cli/test_help.py",
    "tests/unit/cli/test_imports.py",
    "tests/unit/cli/test_kubectl.py",
    "tests/unit/kube/test_image.py",
    "tests/unit/test_late_roots.py",
    "tests/unit/test_sources.py",
)
"""They read the repository's files, run its tools, or look at imports or at how help is shown: the same on
every Python."""
SHARES = (("controller", "policy"), ("root", "signing", "x509"), ("agent", "cli", "tools"))
"""Folders of unit tests that take about as long together as all that are not named."""
PLAIN = ("--assert=plain",)
NOTHING_RAN = 5
"""pytest's exit code where no test failed the first time."""
_ASK = """
import importlib.util, json, platform, sys
needed = ("ctypes", "sqlite3", "ssl", "venv", "zlib")
missing = [name for name in needed if importlib.util.find_spec(name) is None]
print(json.dumps([list(sys.version_info[:3]), platform.python_version(), sys.implementation.name, missing]))
"""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter: its path, version (3, 11, 2) as numbers and in words, and what its build lacks."""

    path: Path
    numbers: tuple[int, ...]
    version: str
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"Python {self.version} ({self.path})"


def main(arguments: list[str]) -> int:
    """The exit code of `run`; what runs ends with us."""
    with ended_with_us():
        return run(arguments)


def run(arguments: list[str]) -> int:
    """0 when the unit tests pass on every Python that can run them, else the first failing exit code."""
    extra = [one for one in arguments if one != "--"]
    os.nice(NICE)
    os.environ["PYTHONPATH"] = str(ROOT)  # what is installed is for every clone
    pythons = promised(interpreters())
    least = ".".join(map(str, OLDEST))
    print(f"Pythons from {least} on: {', '.join(map(str, pythons)) or 'none'}", flush=True)
    shares = []
    for python in pythons:
        if python.version == sys.version.split()[0]:
            continue
        if reason := unfit(python) or furnish(python):
            print(f"{python} is left out: {reason}", flush=True)
        else:
            shares.append(share_of(python))
    forget_old("python-*")
    # As many at a time as there are cores; the small shares come last, so that none is waited for alone for
    # long. All at once took a third more of a CPU.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        done = [threads.submit(tested, share, extra) for share in (*shares, *own_shares())]
        codes = [shown(one.result()) for one in done]
    return next((code for code in codes if code), 0)


@dataclass(frozen=True, slots=True)
class Share:
    """Unit tests of one process: what they are called, and the words that run them."""

    name: str
    words: tuple[str, ...]


def share_of(python: Python) -> Share:
    """Return the tests of another Python, with fewer examples: that of `.venv` tries them all."""
    program = str(environment(python) / "bin" / "python")
    ignored = [f"--ignore={one}" for one in LEFT_OUT]
    return Share(python.version, ("env", f"{FEWER}=1", program, "-m", "pytest", "tests/unit", *ignored))


def own_shares() -> list[Share]:
    """Return the tests of `.venv`'s Python, in some processes one after the other."""
    named = [[f"tests/unit/{name}" for name in folders] for folders in SHARES]
    rest = ["tests/unit", *(f"--ignore={one}" for folders in named for one in folders)]
    version, words = sys.version.split()[0], (sys.executable, "-m", "pytest")
    return [Share(f"{version}-{number}", (*words, *which)) for number, which in enumerate([*named, rest], 1)]


def tested(share: Share, extra: Sequence[str]) -> Ran:
    """Run these unit tests; what they print is kept.

    Their `assert` statements are compiled as they stand: 4 s of a CPU less in a fresh clone. Those that
    failed are run once more with pytest's, which show the values.
    """
    repeated = LAST_FAILED in extra
    words = [*share.words, "-q", "-o", f"cache_dir=.pytest_cache/{share.name}"]
    with tempfile.TemporaryFile("w+") as kept:
        ran = finished(f"unit {share.name}", [*words, *([] if repeated else PLAIN), *extra], kept)
        kept.seek(0)
        code = 0 if repeated and ran.code == NOTHING_RAN else ran.code
        return Ran(ran.tier, code, ran.seconds, ran.cpu_seconds, kept.read())


def shown(ran: Ran) -> int:
    """Print what it printed, and how it ended; its exit code."""
    print(ran.output, ran, sep="\n", flush=True)
    return ran.code


def interpreters() -> Iterator[Python]:
    """Every CPython on PATH, where Debian puts them, and of pyenv, but no shim that stands for another."""
    places = [Path(one) for one in os.environ.get("PATH", "").split(os.pathsep) if one]
    places += [Path("/usr/bin"), Path("/usr/local/bin"), *pyenv()]
    seen: set[Path] = set()
    for place in places:
        for path in sorted(place.glob("python3*")):
            real = path.resolve()
            if not re.fullmatch(r"python3(\.\d+)?", path.name) or real in seen or place.name == "shims":
                continue
            seen.add(real)
            found = asked(path)
            ours = {cache_directory(), ROOT / ".venv"}
            if found is not None and not ours.intersection(path.parents):
                yield found


def pyenv() -> list[Path]:
    """The folders with pyenv's interpreters."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(root.glob("versions/*/bin"))


def asked(path: Path) -> Python | None:
    """What an interpreter says of itself; None for what isn't CPython or doesn't start."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=60
        )
        numbers, version, implementation, missing = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Python(path, tuple(numbers), version, tuple(missing)) if implementation == "cpython" else None


def promised(found: Iterator[Python]) -> list[Python]:
    """One of each version that `requires-python` allows, the oldest first."""
    by_version: dict[str, Python] = {}
    for python in found:
        if python.numbers >= OLDEST:
            by_version.setdefault(python.version, python)
    return sorted(by_version.values(), key=lambda one: (one.numbers, one.version))


def unfit(python: Python) -> str:
    """Why its build can't run the tests, or nothing."""
    return f"it was built without {', '.join(python.missing)}" if python.missing else ""


def environment(python: Python) -> Path:
    """Where its packages are: one environment for each lock and interpreter, beside the testbed's builds."""
    key = hashlib.sha256(LOCK.read_bytes() + str(python.path).encode()).hexdigest()[:12]
    return cache_directory() / f"python-{python.version}-{key}"


def furnish(python: Python) -> str:
    """Give it the locked packages; the reason when that fails, else nothing."""

    def fill(folder: Path) -> None:
        inside = ["--quiet", "--python", str(folder / "bin" / "python"), "--only-binary", ":all:"]
        for words in (
            ["venv", "--quiet", "--clear", "--python", str(python.path), str(folder)],
            ["pip", "install", *inside, "--require-hashes", "-r", str(LOCK)],
        ):
            subprocess.run([UV, *words], cwd=ROOT, capture_output=True, text=True, check=True)

    try:
        used(cached(environment(python).name, fill))
    except subprocess.CalledProcessError as error:
        told = " ".join(error.stderr.split())
        return f"the locked packages can't be installed for it: {told[-600:]}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
