"""The address of the project's repository on the web: this clone's `origin`, or $REPOSITORY_URL.

Nothing in the project names a host: whoever builds a site or a manifest has the address already.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "REPOSITORY_URL"
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)([\w.-]+)(?::\d+/|[:/])(.+)")


def repository(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> str | None:
    """Return the address, "https://HOST/PATH"; None where neither the variable nor `origin` has one."""
    given = environment.get(VARIABLE)
    return web_address(given if given else _origin(root))


def web_address(remote: str) -> str | None:
    """Return the web address of a remote of git, without user, password and `.git`; None for a folder."""
    ssh = _SSH.fullmatch(remote)
    if ssh is not None:
        host, path = ssh.groups()
    else:
        parts = urlsplit(remote)
        host, path = parts.netloc.rpartition("@")[2], parts.path
        if parts.scheme != "https":
            return None
    path = path.strip("/").removesuffix(".git")
    return f"https://{host}/{path}" if host and path else None


def _origin(root: Path) -> str:
    words = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return ""  # a copy without git
    return found.stdout.strip() if found.returncode == 0 else ""
