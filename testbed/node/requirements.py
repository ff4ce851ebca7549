"""Whether this machine can run the node, and if not, why, in words."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from testbed.cluster import REPOSITORY
from testbed.node.images import SUITE

_CGROUPS = ("cpu", "memory", "pids", "devices")
PACKAGES = REPOSITORY / "tools" / "node-packages.sh"


def reason_not_to() -> str | None:
    """Why the node can't run here, or None; nothing is changed."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return (
            f"it runs on Linux on x86-64 and arm64, and this is {platform.system()} on {platform.machine()}"
        )
    if os.geteuid() != 0:
        return "it makes namespaces, mounts and cgroups, and that takes root"
    if _system() != ("debian", SUITE):
        return f"its packages and the image's base are those of Debian {SUITE}, and this is another system"
    lacking = [
        place
        for place in ("/sys/fs/cgroup", "/proc/sys/net/ipv4/ip_forward")
        if not os.access(place, os.W_OK)
    ]
    if lacking:
        return f"{lacking[0]} can't be written here, as in a container without privileges"
    return _no_cgroups()


def install() -> str | None:
    """Install the packages that are missing; the reason when that fails."""
    done = subprocess.run([str(PACKAGES)], capture_output=True, text=True, check=False)
    if done.stdout.strip():
        print(done.stdout.strip(), flush=True)
    if done.returncode:
        told = done.stderr.strip().splitlines()
        return f"Debian's packages can't be installed: {told[-1] if told else PACKAGES.name}"
    return None


def _system() -> tuple[str, str]:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return "", ""
    found = dict(re.findall(r'^(\w+)="?([^"\n]*)', text, re.MULTILINE))
    return found.get("ID", ""), found.get("VERSION_CODENAME", "")


def _no_cgroups() -> str | None:
    try:
        table = Path("/proc/cgroups").read_text(encoding="ascii")
    except OSError:
        return "the kernel has no cgroups"
    usable = {line.split()[0] for line in table.splitlines() if line.endswith("\t1")}
    missing = [one for one in _CGROUPS if one not in usable]
    unmounted = not Path("/sys/fs/cgroup/cgroup.controllers").exists() and not all(
        Path("/sys/fs/cgroup", one).is_dir() for one in _CGROUPS
    )
    if missing or unmounted:
        return f"the cgroups {', '.join(missing or _CGROUPS)} aren't there"
    return None
