"""Asks for known vulnerabilities of what an installation has: `make audit`.

pip-audit reads locks/runtime.txt. Those of locks/audit-ignored.toml are left out until their date, each for
the reason that is given there.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

LOCKS = Path(__file__).resolve().parent.parent / "locks"


NOT_JUDGED: Final = 2
"""Exit code where the service gave no answer: pip-audit's own is 1 for that and for vulnerabilities."""


def main() -> int:
    """Exit code of pip-audit, or NOT_JUDGED with what to do."""
    ignored = tomllib.loads((LOCKS / "audit-ignored.toml").read_text(encoding="utf-8"))["ignored"]
    words = command(ignored, datetime.now(UTC).date())
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    print(done.stderr, end="", file=sys.stderr)
    return ended(done.returncode, done.stderr)


def ended(code: int, errors: str) -> int:
    """Return what a run of pip-audit with this exit code and these errors means, and say so."""
    if code == 0 or "ERROR:pip_audit" not in errors:
        return code
    print(
        "nothing was judged: the service of pip-audit doesn't answer, or doesn't know a package. Run it "
        "where the public index is reached: a mirror may lack its JSON API",
        file=sys.stderr,
    )
    return NOT_JUDGED


def command(ignored: list[dict[str, Any]], today: date) -> list[str]:
    """Return pip-audit's command; ValueError for an entry without a reason or with its date in the past."""
    words = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes"]
    words += ["--requirement", str(LOCKS / "runtime.txt")]
    for one in ignored:
        if not one.get("reason"):
            raise ValueError(
                f"locks/audit-ignored.toml: {one['id']} has no reason: say why it doesn't reach us"
            )
        if one["until"] < today:
            raise ValueError(
                f"locks/audit-ignored.toml: {one['id']} was to be looked at again by {one['until']}"
            )
        words.append(f"--ignore-vuln={one['id']}")
    return words


if __name__ == "__main__":
    sys.exit(main())
