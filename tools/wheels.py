"""Gathers the locked wheels that the image is built from, so that its build asks no index, and installs them.

python tools/wheels.py [--python 3.13] [--arch amd64] [--arch arm64] [--output wheels]
python tools/wheels.py --into /app [--arch arm64]

Python must be the one in the base image. Files that aren't in the hashed locks are refused by pip, and
wheels that the folder held before are removed. The second form, which the Dockerfile has, installs what runs,
for the Python that it is run by, and for any architecture without emulating it: a wheel is unpacked alone.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = "runtime.txt"
LOCKS = ("build.txt", RUNTIME)
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
    parser.add_argument("--into", type=Path, help="folder that gets what runs, installed")
    options = parser.parse_args(arguments)
    if options.into:
        arch = options.arch[0] if options.arch else here
        return subprocess.run(installing(arch, options.into), check=False).returncode
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
    words = _pip("download", python, arch)
    for lock in LOCKS:
        words += ["-r", str(ROOT / "locks" / lock)]
    return [*words, "-d", str(output)]


def installing(arch: str, target: Path) -> list[str]:
    """The pip command that unpacks what runs, for this Python, into a folder."""
    words = _pip("install", f"{sys.version_info.major}.{sys.version_info.minor}", arch)
    return [*words, "--no-compile", f"--target={target}", "-r", str(ROOT / "locks" / RUNTIME)]


def _pip(action: str, python: str, arch: str) -> list[str]:
    machine = ARCHITECTURES[arch]
    tags = [f"manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"manylinux2014_{machine}"]
    words = [sys.executable, "-m", "pip", action, "--quiet", "--disable-pip-version-check", "--no-deps"]
    words += ["--only-binary=:all:", "--require-hashes", "--implementation=cp", f"--python-version={python}"]
    return [*words, *(f"--platform={tag}" for tag in tags)]


if __name__ == "__main__":
    sys.exit(main())
