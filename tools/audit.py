"""Asks for known vulnerabilities of what an installation has: `make audit`.

pip-audit reads locks/runtime.txt. Those of locks/audit-ignored.toml are left out until their date, each for
the reason that is given there.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

LOCKS = Path(__file__).resolve().parent.parent / "locks"


NOT_JUDGED: Final = 2
"""Exit code where the service gave no answer: pip-audit's own is 1 for that and for vulnerabilities."""
LONGEST: Final = timedelta(days=366)
"""Time for which a vulnerability may be ignored before somebody looks again."""


def main() -> int:
    """Exit code of pip-audit, or NOT_JUDGED with what to do."""
    try:
        ignored = entries((LOCKS / "audit-ignored.toml").read_text(encoding="utf-8"))
        words = command(ignored, datetime.now(UTC).date())
    except ValueError as error:  # TOML's own is one
        print(f"locks/audit-ignored.toml: {error}", file=sys.stderr)
        return NOT_JUDGED
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


def entries(text: str) -> list[dict[str, Any]]:
    """Return what the file ignores. Raises ValueError where it is no TOML."""
    found: list[dict[str, Any]] = tomllib.loads(text).get("ignored", [])
    return found


def command(ignored: list[dict[str, Any]], today: date) -> list[str]:
    """Return pip-audit's command. Raises ValueError for an entry that says too little, or for too long."""
    words = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--require-hashes"]
    words += ["--requirement", str(LOCKS / "runtime.txt")]
    for number, one in enumerate(ignored, 1):
        if wrong := _wrong(one, today):
            raise ValueError(f"{one.get('id') or f'entry {number}'} {wrong}")
        words.append(f"--ignore-vuln={one['id']}")
    return words


def _wrong(entry: dict[str, Any], today: date) -> str:
    """Say what is wrong with an entry, or ""."""
    until = entry.get("until")
    if not isinstance(entry.get("id"), str) or not entry["id"].strip():
        return "has no id: give the vulnerability's, such as GHSA-..."
    if not str(entry.get("reason", "")).strip():
        return "has no reason: say why it doesn't reach us"
    if not isinstance(until, date):
        return "has no date to look again: until = 2027-01-31, without quotes"
    if until < today:
        return f"was to be looked at again by {until}: do so, and give another date"
    if until > today + LONGEST:
        return f"is ignored until {until}: look again within a year"
    return ""


if __name__ == "__main__":
    sys.exit(main())
