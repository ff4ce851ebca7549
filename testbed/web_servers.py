"""Real nginx and HAProxy: those on PATH, or Debian's, taken apart into the cache."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.debian import taken_apart

# The libraries that a Debian without these servers may lack are fetched with them.
_PACKAGES = {
    "nginx": ("nginx", "libpcre2-8-0"),
    "haproxy": ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"),
}


@dataclass(frozen=True, slots=True)
class WebServer:
    """A server's program, and the environment that it needs to find its libraries."""

    program: Path
    environment: dict[str, str]


def find_web_server(name: str) -> WebServer:
    """`nginx` or `haproxy`. Raises TestbedError if there is none, and it can't be fetched."""
    if installed := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return WebServer(Path(installed), {})
    where = taken_apart(name, _PACKAGES[name])
    libraries = sorted({str(path.parent) for path in where.rglob("*.so*")})
    return WebServer(where / "usr/sbin" / name, {"LD_LIBRARY_PATH": ":".join(libraries)})
