"""NSS's `certutil`, of Debian's package where it isn't installed."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Final

from testbed.debian import taken_apart

PROGRAM: Final = "certutil"
_PACKAGES: Final = ("libnss3-tools", "libnss3", "libnspr4")


def folder_of_certutil(folder: Path) -> Path | None:
    """Return a folder for PATH that has certutil: `folder`, with a script that starts the one of Debian's
    package; None where it is installed.

    Raises TestbedError if it can't be had.
    """
    if shutil.which(PROGRAM):
        return None
    where = taken_apart("NSS", _PACKAGES)
    libraries = sorted({str(path.parent) for path in where.rglob("*.so*")})
    script = folder / PROGRAM
    script.write_text(
        f"#!/bin/sh\nLD_LIBRARY_PATH='{':'.join(libraries)}' exec '{where / 'usr/bin' / PROGRAM}' \"$@\"\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder
