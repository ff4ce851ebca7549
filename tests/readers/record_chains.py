"""Records what Go and OpenSSL say of the generated chains, for those who don't have them.

`python -m tests.readers.record_chains` writes it anew; needed when the cases or the differences have changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.readers.chain_changes import Case, cases
from tests.readers.chain_differences import PAIRS, SEED, unexplained
from tests.readers.chain_judges import JUDGES, ours
from tests.readers.readers import missing, version

RECORDED: Final = Path(__file__).resolve().parent / "recorded_chains.json"
PROGRAMS: Final = ("Go", "OpenSSL")
TAKEN, REFUSED = ".", "x"


def main() -> int:
    """Ask and save; refuses to where somebody differs without a reason."""
    absent = [why for one in PROGRAMS if (why := missing(one))]
    if absent:
        print(*absent, sep="\n", file=sys.stderr)
        return 1
    chosen = list(cases(SEED, PAIRS))
    said = [ours(one) for one in chosen]
    verdicts = {}
    for judge in PROGRAMS:
        with tempfile.TemporaryDirectory() as folder:
            theirs = JUDGES[judge](chosen, Path(folder))
        triples = zip(chosen, said, theirs, strict=True)
        if any(unexplained(case, ours, judge, their) for case, ours, their in triples):
            print(f"{judge} says something else: run make test-readers", file=sys.stderr)
            return 1
        verdicts[judge] = "".join(REFUSED if one else TAKEN for one in theirs)
    versions = {judge: version(judge) for judge in PROGRAMS}
    found = {"versions": versions, "cases": digest(chosen), "verdicts": verdicts}
    RECORDED.write_text(f"{json.dumps(found, indent=1)}\n", encoding="utf-8")
    print(f"{len(chosen)} chains in {RECORDED.name}")
    return 0


def digest(chosen: list[Case]) -> str:
    """Tells whether verdicts are those of these cases."""
    return sha256("\n".join(map(str, chosen)).encode()).hexdigest()


def recorded() -> dict[str, Any]:
    """Read what was recorded: `versions`, the digest of `cases`, and `verdicts`, a character a case."""
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
