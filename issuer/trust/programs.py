"""Programs of the system, found by PATH and called without a shell, bounded in time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from issuer.text import one_line
from issuer.trust.errors import StoreFailed, StoreNotUsable

SECONDS: Final = 120
"""For one program: `update-ca-certificates` with its hooks takes up to 20 s on a small machine."""
_MOST_WORDS: Final = 400


def need(program: str, package: str) -> str:
    """Return the path of a program. Raises StoreNotUsable, with the packages that have it."""
    found = shutil.which(program)
    if found is None:
        raise StoreNotUsable(f"{program} is not there: install {package}")
    return found


def run(
    arguments: Sequence[str], variables: Mapping[str, str] | None = None, given: str = "", umask: int = -1
) -> str:
    """Run a program, with `given` as its standard input, and return its standard output.

    `umask` is its own; by default it has this process's. Raises StoreFailed, with what it said.
    """
    done = _done(arguments, variables, given, umask)
    if done.returncode:
        said = one_line(f"{done.stderr} {done.stdout}".strip(), _MOST_WORDS) or "it says nothing"
        raise StoreFailed(f"{_name(arguments)} ended with {done.returncode}: {said}")
    return done.stdout


def succeeds(arguments: Sequence[str]) -> bool:
    """Return True if a program ends with 0. Raises StoreFailed if it can't be started or doesn't end."""
    return _done(arguments, None, "", -1).returncode == 0


def _done(
    arguments: Sequence[str], variables: Mapping[str, str] | None, given: str, umask: int
) -> subprocess.CompletedProcess[str]:
    # English, so that messages can be searched for, whatever the user's language is.
    environment = os.environ | {"LC_ALL": "C"} | dict(variables or {})
    try:
        return subprocess.run(  # noqa: S603  # no shell, and the program is from PATH
            arguments,
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            env=environment,
            input=given,
            timeout=SECONDS,
            umask=umask,
        )
    except subprocess.TimeoutExpired as error:
        raise StoreFailed(f"{_name(arguments)} did not end within {SECONDS} s") from error
    except OSError as error:
        raise StoreFailed(f"{_name(arguments)} can't be started: {error.strerror}") from error


def _name(arguments: Sequence[str]) -> str:
    return os.path.basename(arguments[0])  # noqa: PTH119
