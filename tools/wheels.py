"""Gathers the locked wheels that the image is built from, so that its build asks no index.

python tools/wheels.py [--python 3.13] [--arch amd64] [--arch arm64] [--output wheels]

Python must be the one in the base image. Files that aren't in the hashed locks are refused by pip, and
wheels that the folder held before are removed.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("build.txt", "runtime.txt")
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
# glibc of Debian 12 (2.36) and older: wheels name the oldest they run on.
GLIBC = ("2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all are there."""
    here = {machine: name for name, machine in ARCHITECTURES.items()}.get(platform.machine(), "amd64")
    parser = argparse.ArgumentParser(description="Gather the locked wheels for the image.")
    parser.add_argument("--python", default="3.13", help="version in the base image (default: %(default)s)")
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), action="append", help="may be repeated")
    parser.add_argument("--output", type=Path, default=ROOT / "wheels")
    options = parser.parse_args(arguments)
    for old in options.output.glob("*.whl"):
        old.unlink()
    wanted = options.arch or [here]
    for arch in wanted:
        done = subprocess.run(command(options.python, arch, options.output), check=False)
        if done.returncode:
            return done.returncode
    count = len(list(options.output.glob("*.whl")))
    print(f"{count} wheels for Python {options.python} on {' and '.join(wanted)} in {options.output}")
    return 0


def command(python: str, arch: str, output: Path) -> list[str]:
    """The pip command that downloads them."""
    machine = ARCHITECTURES[arch]
    tags = [f"manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"manylinux2014_{machine}"]
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    words += ["--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={python}"]
    words += [f"--platform={tag}" for tag in tags]
    for lock in LOCKS:
        words += ["-r", str(ROOT / "locks" / lock)]
    return [*words, "-d", str(output)]


if __name__ == "__main__":
    sys.exit(main())
