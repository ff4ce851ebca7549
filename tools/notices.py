"""Writes NOTICE: the packages that an installation has beside ours, and what their licences ask to be told.

python -m tools.notices [--check]

Of what `.venv` has of locks/runtime.txt: licence, lines with a copyright, and files called NOTICE. Versions
are left out; the bill of materials has them.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

from tools.sbom import licence, locked_hashes

ROOT = Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
HEAD = "vault-issuer\n\nAn installation has these packages beside it. Made by `make lock`.\n"
_FILE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)[^/]*$")
_COPYRIGHT = re.compile(r"^\W*(Copyright (?:\(c\)|©|\d{4}).*?)\W*$", re.IGNORECASE | re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Exit code 1 when --check finds another text."""
    wanted = text()
    if "--check" in arguments:
        return 0 if NOTICE.read_text(encoding="utf-8") == wanted else 1
    NOTICE.write_text(wanted, encoding="utf-8")
    return 0


def text() -> str:
    """Return what NOTICE should hold."""
    locked = locked_hashes((ROOT / "locks" / "runtime.txt").read_text(encoding="utf-8"))
    found = {_name(one): one for one in distributions()}
    return HEAD + "".join(_entry(name, found[name]) for name in sorted(found.keys() & locked.keys()))


def _entry(name: str, package: Distribution) -> str:
    told: dict[str, None] = {}
    for file in package.files or ():
        if ".dist-info" in str(file) and _FILE.search(str(file)):
            content = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
            lines = (
                content.splitlines()
                if file.name.upper().startswith("NOTICE")
                else _COPYRIGHT.findall(content)
            )
            told |= {" ".join(line.split()): None for line in lines if line.strip()}
    rows = "".join(f"  {line}\n" for line in told)
    return f"\n{name}: {licence(package) or 'see its metadata'}\n{rows}"


def _name(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
