"""Records what the readers read in a part of the corpus, for those who don't have them.

`python -m tests.readers.record` writes it anew; needed when what is approved or generated has changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from itertools import islice
from pathlib import Path
from typing import Final

from tests.readers.corpus import approved, certificate, contents_of
from tests.readers.readers import READERS, ask, missing, ours, version

RECORDED: Final = Path(__file__).resolve().parent / "recorded.json"
SEED: Final = 13
MADE: Final = 3_000
"""Texts made for each kind of name; a fifth of them or so are names."""
KEPT: Final = 60
"""Certificates that are recorded, the first of which have the names that tests know."""


def main() -> int:
    """Ask and save; refuses to where a reader reads something else than we do."""
    absent = [why for reader in READERS if (why := missing(reader))]
    if absent:
        print(*absent, sep="\n", file=sys.stderr)
        return 1
    warnings.simplefilter("ignore")  # about attributes that are longer than they should be
    chosen = list(islice(approved(SEED, MADE), KEPT))
    expected = [ours(contents_of(names)) for names in chosen]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle.pem"
        bundle.write_bytes(b"".join(certificate(names) for names in chosen))
        for reader in READERS:
            if ask(reader, bundle) != expected:
                print(f"{reader} reads something else: run make test-readers", file=sys.stderr)
                return 1
    versions = {reader: version(reader) for reader in READERS}
    lines = [
        json.dumps({"names": names, "read": read}, ensure_ascii=False, separators=(",", ":"))
        for names, read in zip(chosen, expected, strict=True)
    ]
    body = ",\n".join(lines)
    RECORDED.write_text(f'{{"versions":{json.dumps(versions)},"certificates":[\n{body}\n]}}\n', "utf-8")
    print(f"{len(chosen)} certificates kept in {RECORDED.name}, read alike by {', '.join(READERS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
