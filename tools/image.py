"""Builds the image with what this machine has: buildah, podman or docker. The wheels are gathered first.

The image is for this machine's architecture: build on arm64 for arm64.

python tools/image.py [--python-image IMAGE] [--tag NAME:TAG]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("buildah", "podman", "docker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code of the build; 2 where nothing can build."""
    parser = argparse.ArgumentParser(description="Build the image.")
    parser.add_argument("--python-image", default="python:3.13-slim", help="base image (%(default)s)")
    parser.add_argument("--tag", default="vault-issuer:0.1.0", help="name of the image (%(default)s)")
    options = parser.parse_args(arguments)
    program = next((name for name in PROGRAMS if shutil.which(name)), None)
    if program is None:
        print(f"none of {', '.join(PROGRAMS)} is on PATH: install one of them", file=sys.stderr)
        return 2
    words = command(program, options.python_image, options.tag, revision(), committed())
    return subprocess.run(words, cwd=ROOT, check=False).returncode


def command(program: str, python_image: str, tag: str, commit: str, seconds: str) -> list[str]:
    """The build's command. Its layers depend on the sources, the locks and the base image alone."""
    arguments = {"PYTHON_IMAGE": python_image, "REVISION": commit, "SOURCE_DATE_EPOCH": seconds}
    words = [program, "build", "--tag", tag]
    words += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    return [*words, *(["--timestamp", seconds] if program != "docker" else []), "."]


def revision() -> str:
    """The commit that is checked out; `unknown` outside git."""
    return _git("rev-parse", "HEAD") or "unknown"


def committed() -> str:
    """When it was committed, in seconds since 1970."""
    return _git("log", "-1", "--format=%ct") or "0"


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
