"""Accounts of single objects, such as an issuer or a policy: what was looked at, each with a mark and a cure.

Pure: data, and its JSON. `tables` shows it to people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from issuer.explain.advice import Advice


class Mark(StrEnum):
    """Result of looking at one thing."""

    GOOD = "ok"
    BAD = "failed"
    LOOK = "look"
    NOT_TRIED = "not tried"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True)
class AccountItem:
    """One thing that was looked at: what was found of it in a sentence or two, and what to do about it."""

    name: str
    mark: Mark
    text: str
    cure: Advice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the item as `-o json` prints it."""
        cure = None if self.cure is None else self.cure.to_json()
        return {"name": self.name, "mark": self.mark.value, "text": self.text, "cure": cure}


@dataclass(frozen=True, slots=True)
class AccountList:
    """Several things of one kind below a title; `rows` are the cells of a table below `headers`."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class ObjectAccount:
    """All that is told of one object.

    `good` is True if it does what it is there for. `head` are names and values above the items, `data` what
    the JSON has beside them, `gaps` say what is withheld.
    """

    kind: str
    namespace: str
    name: str
    good: bool
    state: str
    head: Sequence[tuple[str, str]] = ()
    items: Sequence[AccountItem] = ()
    lists: Sequence[AccountList] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    gaps: Sequence[str] = ()

    @property
    def cures(self) -> tuple[Advice, ...]:
        """Cures, in the order of the items, once each."""
        return tuple(dict.fromkeys(one.cure for one in self.items if one.cure is not None))

    def to_json(self) -> dict[str, Any]:
        """Return the account as `-o json` prints it."""
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "good": self.good,
            "state": self.state,
            **self.data,
            "items": [one.to_json() for one in self.items],
            "notShown": list(self.gaps),
        }
