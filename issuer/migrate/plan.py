"""Plan of a migration, as data: steps with their objects, and notes about each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from issuer.kube.wire import Object
from issuer.migrate.origins import ORIGINS

CARRIED_OVER: Final = 0
FAILED: Final = 1
LEFT_TO_DO: Final = 3

CLUSTER: Final = "the cluster"
"""Source of objects that were read from a cluster."""


class NoteLevel(StrEnum):
    """Weight of a note: what it asks of its reader."""

    INFO = "note"
    TODO = "to do"
    LOSS = "lost"
    ERROR = "error"


class Action(StrEnum):
    """Fate of an object. `CREATE` and `CHANGE` have a manifest, the others don't."""

    CREATE = "create"
    CHANGE = "change"
    KEEP = "is there"
    TODO = "to do"
    LEAVE = "leave"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to know or to do."""

    level: NoteLevel
    text: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """Step of a plan, about one object.

    `old` says what there is now, `new` what there will be; either may be empty. `manifest` is what to apply,
    `before` (changes only) the same object as it was, which is the way back; `version` its resourceVersion
    where it came from a cluster.
    """

    action: Action
    old: str
    new: str = ""
    notes: tuple[Note, ...] = ()
    manifest: Object | None = field(default=None, repr=False)
    before: Object | None = field(default=None, repr=False)
    source: str = ""
    version: str = ""

    @property
    def title(self) -> str:
        """Name of the object in few words: the old one, or the new one."""
        return self.old or self.new

    @property
    def result(self) -> str:
        """Name of the object once the step is done: what was made, or what was changed to what."""
        if self.action is Action.CREATE:
            return self.new
        return f"{self.old.partition(' -> ')[0]} {self.new}".strip()

    def to_json(self) -> dict[str, Any]:
        """Return the step as `-o json` prints it, without manifests."""
        return {
            "action": self.action.value,
            "from": self.old,
            "to": self.new,
            "source": self.source,
            "notes": [{"level": note.level.value, "text": note.text} for note in self.notes],
        }


# Names and rights before those who need them; policies before issuers, so that nothing is judged by half of
# them; what has running certificates last.
_ORDER: Final = (
    "ServiceAccount",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "CertificateRequestPolicy",
    *(one.new_kind for one in reversed(ORIGINS.values())),
    "Certificate",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, and notes about the whole."""

    steps: tuple[PlanStep, ...]
    notes: tuple[Note, ...] = ()

    @property
    def created(self) -> tuple[PlanStep, ...]:
        """Steps that make new objects, in an order that works. Nothing that runs notices them."""
        return _in_order(step for step in self.steps if step.action is Action.CREATE)

    @property
    def changed(self) -> tuple[PlanStep, ...]:
        """Steps that change what is there, in an order that works."""
        return _in_order(step for step in self.steps if step.action is Action.CHANGE)

    def all_notes(self) -> tuple[Note, ...]:
        """Notes about the whole and about each step."""
        return (*self.notes, *(note for step in self.steps for note in step.notes))

    @property
    def exit_code(self) -> int:
        """Exit code: 0 if all is carried over, 3 if something is lost or left to do, 1 for errors."""
        levels = {note.level for note in self.all_notes()}
        if NoteLevel.ERROR in levels:
            return FAILED
        return LEFT_TO_DO if levels & {NoteLevel.TODO, NoteLevel.LOSS} else CARRIED_OVER

    def to_json(self) -> dict[str, Any]:
        """Return the plan as `-o json` prints it, with the manifests in the order of applying."""
        return {
            "exitCode": self.exit_code,
            "notes": [{"level": note.level.value, "text": note.text} for note in self.notes],
            "steps": [step.to_json() for step in self.steps],
            "create": [step.manifest for step in self.created],
            "change": [step.manifest for step in self.changed],
            "undo": [step.before for step in reversed(self.changed)],
        }


def info(text: str) -> Note:
    """Return a note that is good to know."""
    return Note(NoteLevel.INFO, text)


def todo(text: str) -> Note:
    """Return a note of something to do by hand, without which something won't work."""
    return Note(NoteLevel.TODO, text)


def loss(text: str) -> Note:
    """Return a note of something that can't be carried over."""
    return Note(NoteLevel.LOSS, text)


def failure(text: str) -> Note:
    """Return a note of an object that can't be carried over."""
    return Note(NoteLevel.ERROR, text)


def _in_order(steps: Iterable[PlanStep]) -> tuple[PlanStep, ...]:
    return tuple(sorted(steps, key=lambda step: _rank(step.manifest or {})))


def _rank(manifest: Mapping[str, Any]) -> int:
    kind = manifest.get("kind")
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
