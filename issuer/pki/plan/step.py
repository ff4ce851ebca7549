"""One step of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from issuer.pki.file.model import Part
from issuer.pki.resources.resource import FieldChange, Order, VaultWrite


class StepAction(StrEnum):
    """Kind of change that a step makes."""

    NONE = "none"
    CREATE = "create"
    CHANGE = "change"
    RESUME = "resume"
    """A CA whose making was interrupted is gone on with."""
    REMOVE = "remove"
    BY_HAND = "by hand"
    """Vault's API can't do it."""
    ROTATE = "needs rotation"
    """Only a new certificate could bring it; never done here."""

    @property
    def applies(self) -> bool:
        """True for what an apply does."""
        return self not in (StepAction.NONE, StepAction.BY_HAND, StepAction.ROTATE)


@dataclass(frozen=True, slots=True)
class PkiStep:
    """One resource or authority: what differs, and what is done about it.

    `place` is `FILE:LINE`; `not_comparable` are fields that Vault never gives back; `writes` are the calls,
    for resources; an authority's calls depend on what its making meets.
    """

    action: StepAction
    kind: str
    path: str
    order: Order
    part: Part
    place: str
    changes: tuple[FieldChange, ...] = ()
    not_comparable: tuple[str, ...] = ()
    note: str = ""
    writes: tuple[VaultWrite, ...] = field(default=(), repr=False)
    authority: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, without secrets."""
        return {
            "action": self.action.value,
            "kind": self.kind,
            "path": self.path,
            "part": self.part.value,
            "place": self.place,
            "changes": [
                {"field": one.name, "before": one.before, "after": one.after} for one in self.changes
            ],
            "notComparable": list(self.not_comparable),
            "note": self.note,
        }
