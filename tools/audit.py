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
from typing import Any

LOCKS = Path(__file__).resolve().parent.parent / "locks"


def main() -> int:
    """Exit code of pip-audit."""
    ignored = tomllib.loads((LOCKS / "audit-ignored.toml").read_text(encoding="utf-8"))["ignored"]
    return subprocess.run(command(ignored, datetime.now(UTC).date()), check=False).returncode


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
