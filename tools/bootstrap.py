"""Makes ``.venv`` with the locked packages and vault-issuer in it, from nothing but Python.

Only the standard library is used: this runs before anything is installed. It
checks first what the machine lacks, and names the command that mends it.

Run by ``make``; by hand: ``python3 tools/bootstrap.py``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "locks" / "dev.txt"
STAMP = VENV / ".locked"
OLDEST = (3, 11)
NEEDED_MB = 700  # .venv with the servers that come as wheels
UNUSED = (
    "kubernetes/client/models",
    "kubernetes/client/api",
    "kubernetes/aio/client/models",
    "kubernetes/aio/client/api",
)
"""Folders of generated modules that nothing here imports (tests/unit/kube/test_image.py): 70 MB."""


def main() -> int:
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
    if not install(["--no-deps", "--no-build-isolation", "--editable", str(ROOT)], 0):
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
            f"Python {sys.version.split()[0]} is too old: install Python 3.11 or newer "
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
    sys.exit(main())
