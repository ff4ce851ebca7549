"""A plan's steps as items: what a plan would change is what doesn't stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from issuer.pki.plan.planning import PkiPlan
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.resource import VaultResource
from issuer.pki.server.reading import VaultReading
from issuer.pki.verify.item import Standing, VerifyItem
from issuer.text import clip

_STANDING: Final = {
    StepAction.NONE: Standing.STANDS,
    StepAction.CREATE: Standing.MISSING,
    StepAction.BY_HAND: Standing.MISSING,
    StepAction.RESUME: Standing.MISSING,
    StepAction.CHANGE: Standing.DIFFERS,
    StepAction.ROTATE: Standing.DIFFERS,
    StepAction.REMOVE: Standing.DIFFERS,
}
_VALUE_CHARS: Final = 120


def items_of(plan: PkiPlan) -> Iterator[VerifyItem]:
    """Yield an item for each step."""
    for step in plan.steps:
        yield VerifyItem(_STANDING[step.action], step.kind, step.path, step.place, _message(step))


def refused_items(resources: tuple[VaultResource, ...], reading: VaultReading) -> Iterator[VerifyItem]:
    """Yield an item for each thing that the token may not read, which a plan has no step for."""
    refused = reading.refused
    seen = set()
    for one in resources:
        paths = [path for path in one.reads() if path in refused]
        seen.update(paths)
        if paths:
            message = f"the token may not read {paths[0]}; pki rights prints the policy that it needs"
            yield VerifyItem(Standing.NOT_CHECKED, one.kind, one.path, str(one.place), message)
    for path in refused:
        if path not in seen:
            message = "the token may not read it; pki rights prints the policy that it needs"
            yield VerifyItem(Standing.NOT_CHECKED, "list", path, "", message)


def _message(step: PkiStep) -> str:
    told = []
    if step.action in (StepAction.CHANGE, StepAction.ROTATE):
        told += [f"{one.name} is {_value(one.before)}, not {_value(one.after)}" for one in step.changes]
    if step.action in (StepAction.ROTATE, StepAction.RESUME, StepAction.NONE) and step.note:
        told.append(step.note)
    if step.action is StepAction.BY_HAND:
        told.append(step.note.partition("\n")[0])
    if step.not_comparable:
        told.append(f"never read back: {', '.join(step.not_comparable)}")
    return "; ".join(told)


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return clip(text, _VALUE_CHARS) or '""'
