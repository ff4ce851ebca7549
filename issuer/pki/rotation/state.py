"""Where a rotation stands, and what its next step would do. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from issuer.pki.file.place import Places
from issuer.pki.file.rotations import Rotation
from issuer.pki.plan.planning import PkiPlan
from issuer.pki.plan.rotations import ending
from issuer.pki.rotation.facts import RotationFacts
from issuer.pki.rotation.gates import Gate, GateName
from issuer.pki.rotation.phases import RotationPhase, gates_of, phase_of
from issuer.pki.rotation.steps import steps_of


@dataclass(frozen=True, slots=True)
class RotationState:
    """One rotation: its phase, the gates, and the plan of the next step, without steps where it waits.

    `awaits` is the file in which an offline CA's certificate is to be brought, "" if none is waited for.
    """

    rotation: Rotation
    place: str
    phase: RotationPhase
    gates: Sequence[Gate]
    waits_for: Sequence[Gate]
    plan: PkiPlan
    awaits: str = ""

    @property
    def advice(self) -> str:
        """The next act of a person."""
        if self.phase is RotationPhase.DONE:
            return f"It is done: {ending(self.rotation)}"
        if self.plan.problems:
            return "The next step can't be planned"
        if self.awaits:
            return (
                f"It waits for {self.awaits}, which the offline CA signs; pki rotate next writes the request "
                "out again, and says how it is signed"
            )
        if self.plan.applied:
            return "pki rotate next does this"
        accepted = [one.name.value for one in self.waits_for if one.verdict.is_acceptable]
        words = "".join(f" --accept {one}" for one in accepted)
        more = (
            f"; what can't be seen, a person may look at and accept: pki rotate next{words}" if words else ""
        )
        return f"It waits for: {', '.join(one.name.value for one in self.waits_for)}{more}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, without secrets."""
        return {
            "mount": self.rotation.mount,
            "old": self.rotation.old,
            "new": self.rotation.new,
            "place": self.place,
            "phase": self.phase.value,
            "gates": [one.to_json() for one in self.gates],
            "waitsFor": [one.name.value for one in self.waits_for],
            "awaits": self.awaits or None,
            "advice": self.advice,
            "plan": self.plan.to_json(),
        }


def next_state(
    facts: RotationFacts,
    places: Places,
    accepted: Collection[GateName],
    file_sha256: str,
    making: PkiPlan | None,
) -> RotationState:
    """Return where a rotation stands. `making` is the plan that makes its new CA, while that isn't done.

    Raises PkiError.
    """
    gates = gates_of(facts)
    phase = phase_of(facts, gates, accepted)
    waits_for = [one for one in gates if one.holds_up(accepted)]
    steps = tuple([] if waits_for else steps_of(facts, phase, places))
    plan = PkiPlan(steps, facts.reading.sha256(), file_sha256)
    if phase is RotationPhase.PREPARE and making is not None:
        plan = replace(making, steps=(*steps, *making.steps))
    place = str(places.of(*facts.rotation.where))
    return RotationState(facts.rotation, place, phase, gates, waits_for, plan)
