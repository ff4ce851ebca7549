"""Programs of Debian packages, taken apart into the cache where they aren't installed.

Nothing is installed and nobody needs to be root: apt works in a folder of its own.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from testbed.cache import cached
from testbed.errors import TestbedError
from testbed.progress import Progress


def taken_apart(name: str, packages: Sequence[str]) -> Path:
    """The folder with the contents of Debian packages, fetched once (and 10 MB of apt's lists).

    Dependencies are fetched only if they are named. Raises TestbedError if this is no Debian, or its archive
    can't be reached.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise TestbedError(f"{name} was not found: install it (no apt-get here)")
    progress = Progress(f"Debian's {name}")
    return cached(
        f"debian-{name.lower()}-{_release()}-{platform.machine()}",
        lambda directory: _fetch(directory, packages, progress),
        lambda: progress.say("another process fetches it; waiting for it"),
    )


def _release() -> str:
    """The system's name in lower case, such as ``debian-12``."""
    found = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    return f"{found.get('ID', 'linux')}-{found.get('VERSION_ID', 'unstable')}"


def _fetch(directory: Path, packages: Sequence[str], progress: Progress) -> None:
    apt = directory / "apt"
    for folder in ("lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True)
    options = [
        f"--option=Dir::State::Lists={apt / 'lists'}",
        f"--option=Dir::Cache={apt / 'cache'}",
        # Its own user for downloads couldn't write there.
        *(["--option=APT::Sandbox::User=root"] if os.geteuid() == 0 else []),
    ]
    progress.stage("apt's lists")
    _run(["apt-get", *options, "--quiet=2", "update"], apt)
    progress.stage("the package")
    _run(["apt-get", *options, "--quiet=2", "download", *packages], apt)
    for package in sorted(apt.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(directory)], apt)
    shutil.rmtree(apt)
    progress.finish("taken apart in the cache")


def _run(command: Sequence[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip())[-800:]
        raise TestbedError(f"`{command[0]} ... {command[-1]}` failed: {told}")
