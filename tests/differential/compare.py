"""Holds our decisions against the peer's: the verdict, and for a denial the fields of every policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.differential.cases import Case
from tests.differential.ours import decide, fields
from tests.differential.peer import Answer

# The peer numbers the values where a request has several of a field that holds one.
_NUMBERED = re.compile(r"(commonName|serialNumber)\[\d+\]")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A case that both sides decide differently."""

    case: Case
    theirs: Answer
    ours: str
    verdicts_differ: bool

    def __str__(self) -> str:
        told = f"{self.theirs.verdict} {self.theirs.message}"
        return f"{self.case.name}: the peer says {told}; we say {self.ours}"


def disagreements(cases: Iterable[Case], answers: Mapping[str, Answer]) -> Iterator[Disagreement]:
    """Every case whose decision, or whose violated fields, differ."""
    for case in cases:
        theirs = answers[case.name]
        found = decide(case)
        if found.verdict.value != theirs.verdict:
            yield Disagreement(case, theirs, found.summary(), True)
        elif theirs.fields is not None:
            mine = _plain(fields(found))
            if mine != _plain(theirs.fields):
                yield Disagreement(case, theirs, f"Denied for the fields {mine}", False)


def _plain(found: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    return {policy: {_NUMBERED.sub(r"\1", field) for field in paths} for policy, paths in found.items()}
