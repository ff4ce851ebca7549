"""Carries issuers over, each by the module for its kind."""

from __future__ import annotations

from issuer.manifests.documents import Document
from issuer.migrate.options import Options
from issuer.migrate.origins import STEP_GROUP
from issuer.migrate.plan import Action, Note, PlanStep, info
from issuer.migrate.read.inventory import Inventory, Ref, inner
from issuer.migrate.steps.issuers.carried import Carried, Issuers, ref_of
from issuer.migrate.steps.issuers.step import carry_step
from issuer.migrate.steps.issuers.vault import carry_vault, types_of


def carry_issuers(inventory: Inventory, options: Options) -> Issuers:
    """Carry issuers over; each has a step."""
    carried: dict[Ref, Carried] = {}
    others: dict[Ref, str] = {}
    refused: dict[Ref, str] = {}
    steps: list[PlanStep] = []
    for document in inventory.issuers:
        ref = ref_of(document)
        other = _other_type(document)
        if other:
            others[ref] = other
            note = info(f"its type is {other}: vault-issuer serves spec.vault alone, cert-manager goes on")
            steps.append(PlanStep(Action.LEAVE, ref.old, "", (note,), source=document.source))
            continue
        carry = carry_step if document.group == STEP_GROUP else carry_vault
        one, notes = carry(document, ref, options)
        if one is None:
            refused[ref] = "it can't be carried over"
            steps.append(PlanStep(Action.REFUSE, ref.old, "", notes, source=document.source))
            continue
        carried[ref] = one
        steps.append(_step(inventory, one, notes, document.source))
    return Issuers(carried, others, refused, tuple(steps))


def _other_type(document: Document) -> str:
    """Return the type of an issuer that cert-manager goes on with, "" for one that is carried over."""
    types = types_of(document)
    return "" if "vault" in types else " and ".join(types)


def _step(inventory: Inventory, one: Carried, notes: tuple[Note, ...], source: str) -> PlanStep:
    there = inventory.has(one.manifest)
    if there is None:
        return PlanStep(Action.CREATE, one.ref.old, one.ref.new, notes, one.manifest, source=source)
    wanted = one.manifest["spec"]
    spec = inner(there.data, "spec")
    differing = [f"spec.{key}" for key in wanted if spec.get(key) != wanted[key]]
    what = f", with another {', '.join(differing)}; it stays as it is" if differing else ""
    note = info(f"ours is there already{what}")
    return PlanStep(Action.KEEP, one.ref.old, one.ref.new, (note,), source=source)
