"""A part of the generated chains, judged as Go and OpenSSL judged them (recorded) and cryptography does.

`make test-readers` asks all of them about all chains.
"""

from __future__ import annotations

from pathlib import Path

from tests.readers.chain_changes import cases
from tests.readers.chain_differences import PAIRS, SEED, rows, unexplained
from tests.readers.chain_judges import cryptographys, ours
from tests.readers.record_chains import REFUSED, digest, recorded

EACH = 4
PAGE = Path(__file__).resolve().parents[4] / "docs" / "chain-verification.md"


def test_generated_chains_are_judged_as_others_judge_them_or_for_a_reason() -> None:
    found = recorded()
    every = list(cases(SEED, PAIRS))
    assert digest(every) == found["cases"], "python -m tests.readers.record_chains"
    wrong = []
    for number, case in list(enumerate(every))[::EACH]:
        said = ours(case)
        theirs = {judge: verdicts[number] == REFUSED for judge, verdicts in found["verdicts"].items()}
        objections = {judge: "refused" if one else "" for judge, one in theirs.items()}
        objections["cryptography"] = cryptographys(case)
        wrong += [
            f"{case}: we say {said!r}, {judge} {text!r}"
            for judge, text in objections.items()
            if unexplained(case, said, judge, text)
        ]
    assert not wrong, "\n".join(wrong[:10])


def test_the_page_has_every_difference_and_no_other() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| in the chain | we | otherwise | why |")
    assert lines[start + 2 : start + 2 + len(rows()) + 1] == [*rows(), ""]
