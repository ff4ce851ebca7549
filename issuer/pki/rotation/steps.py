"""The steps that end a phase of a rotation, and the way back. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from issuer.pki.errors import PkiError
from issuer.pki.file.engine import names_of
from issuer.pki.file.place import Places
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.resource import FieldChange, Order, VaultWrite
from issuer.pki.rotation.endings import hidden_names
from issuer.pki.rotation.facts import RotatedCA, RotationFacts
from issuer.pki.rotation.gates import roles_of
from issuer.pki.rotation.phases import RotationPhase

_RETIRED: Final = ("read-only", "crl-signing", "ocsp-signing")
"""Usages of a retired issuer: its CRL and OCSP answers go on."""


def steps_of(facts: RotationFacts, phase: RotationPhase, places: Places) -> list[PkiStep]:
    """Return the steps of a phase but for the making of the new CA, in their order; none where it waits."""
    if phase is RotationPhase.PREPARE:
        return list(_no_following(facts, places))
    if phase is RotationPhase.SWITCH and facts.new is not None:
        return [_default(facts, places, facts.new, _not_following(facts))]
    if phase is RotationPhase.RETIRE and facts.old is not None:
        return [_retire(facts, facts.old, places)]
    if phase is RotationPhase.DELETE:
        return list(_delete(facts, places))
    return []


def back_steps(facts: RotationFacts, places: Places) -> list[PkiStep]:
    """Return the step by which the old CA signs by default again; none if it does. Raises PkiError if it may
    not sign any more."""
    old, name = facts.old, facts.rotation.old
    if old is None or not old.may_sign:
        raise PkiError(
            f"{name} in mount {facts.rotation.mount} is retired or gone, so there is no way back to it: make "
            "a new CA that replaces the present one"
        )
    if not facts.switched:
        return []
    note = f"{facts.rotation.new} stays, and signs nothing by default; what it has signed stays valid"
    return [_default(facts, places, old, note)]


def _not_following(facts: RotationFacts) -> str:
    named = [] if facts.old is None else roles_of(facts, facts.old)
    told = [f"role {one} names {facts.rotation.old} and doesn't follow" for one in named]
    told.append(f"paths {facts.rotation.mount}/issuer/{facts.rotation.old}/... don't follow")
    if hidden := hidden_names(facts):
        told.append(
            f"no list shows what {hidden} signed (no_store): note the time of this step for --last-signed"
        )
    if facts.old is not None and _has_shared_list(facts, facts.old):
        told.append(
            f"{facts.rotation.mount}/crl answers for {facts.rotation.new} alone from then on; it is named in "
            f"certificates of {facts.rotation.old}: clients that look at CRLs refuse those"
        )
    told.append("the way back is open: pki rotate back")
    return "\n".join(told)


def _has_shared_list(facts: RotationFacts, old: RotatedCA) -> bool:
    """Return True if certificates of the old CA name the CRL of the mount's default issuer, whichever that
    is."""
    field, path = "crl_distribution_points", f"/v1/{facts.rotation.mount}/crl"
    urls = names_of(old.entry.get(field)) or names_of(facts.at("config/urls").get(field))
    return any(path in one for one in urls)


def _default(facts: RotationFacts, places: Places, wanted: RotatedCA, note: str) -> PkiStep:
    names = {one.identifier: one.name for one in facts.issuers}
    before = names.get(facts.default, facts.default)
    return _config(facts, places, [FieldChange("default", before, wanted.name)], wanted.identifier, note)


def _no_following(facts: RotationFacts, places: Places) -> Iterator[PkiStep]:
    """Yield the step without which the import of the new CA would switch at once."""
    if facts.follows:
        note = "else the new CA would sign as soon as it is imported"
        yield _config(facts, places, [], facts.default, note)


def _config(
    facts: RotationFacts, places: Places, changes: list[FieldChange], default: str, note: str
) -> PkiStep:
    follows = "default_follows_latest_issuer"
    if facts.follows:
        changes = [*changes, FieldChange(follows, True, False)]
    path = f"{facts.rotation.mount}/config/issuers"
    body = {"default": default, follows: False}
    return _step(
        facts,
        places,
        "default issuer",
        path,
        Order.DEFAULT_ISSUER,
        changes=tuple(changes),
        note=note,
        writes=(VaultWrite("POST", path, body),),
    )


def _retire(facts: RotationFacts, old: RotatedCA, places: Places) -> PkiStep:
    usage = ",".join(one for one in _RETIRED if one in old.usages or one == "read-only")
    path = f"{facts.rotation.mount}/issuer/{old.identifier}"
    return _step(
        facts,
        places,
        "issuer",
        f"{facts.rotation.mount}/issuer/{old.name}",
        Order.ISSUER,
        changes=(FieldChange("usage", ",".join(old.usages), usage),),
        note="it signs no certificate any more: after this there is no way back by this command",
        writes=(VaultWrite("PATCH", path, {"usage": usage}),),
    )


def _delete(facts: RotationFacts, places: Places) -> Iterator[PkiStep]:
    old, mount, key = facts.old, facts.rotation.mount, facts.old_key
    if old is not None:
        naming = VaultWrite("POST", f"{mount}/key/{key}", {"key_name": _key_name(facts)})
        yield _step(
            facts,
            places,
            "issuer",
            f"{mount}/issuer/{old.name}",
            Order.REMOVAL,
            action=StepAction.REMOVE,
            note="what it signed has ended; its CRL goes with it",
            # A key without a name couldn't be found again if this run ended between the two steps.
            writes=(
                *((naming,) if key and not _is_named(facts, key) else ()),
                VaultWrite("DELETE", f"{mount}/issuer/{old.identifier}"),
            ),
        )
    if key and not facts.key_users:
        yield _step(
            facts,
            places,
            "key",
            f"{mount}/key/{key}",
            Order.REMOVAL,
            action=StepAction.REMOVE,
            note=f"the key of {facts.rotation.old}, which no other issuer has; it can't be brought back",
            writes=(*_default_key(facts, key), VaultWrite("DELETE", f"{mount}/key/{key}")),
        )


def _default_key(facts: RotationFacts, key: str) -> Iterator[VaultWrite]:
    """Yield the call that takes a key's place as the mount's default, without which Vault warns."""
    if facts.new is not None and facts.at("config/keys").get("default") == key:
        yield VaultWrite("POST", f"{facts.rotation.mount}/config/keys", {"default": facts.new.key_id})


def _key_name(facts: RotationFacts) -> str:
    return facts.authorities[facts.rotation.old].key_name or facts.rotation.old


def _is_named(facts: RotationFacts, key: str) -> bool:
    info = (facts.at("keys/").get("key_info") or {}).get(key) or {}
    return info.get("key_name") == _key_name(facts)


def _step(
    facts: RotationFacts,
    places: Places,
    kind: str,
    path: str,
    order: Order,
    *,
    action: StepAction = StepAction.CHANGE,
    **more: Any,
) -> PkiStep:
    rotation = facts.rotation
    place = str(places.of(*rotation.where))
    return PkiStep(action=action, kind=kind, path=path, order=order, part=rotation.part, place=place, **more)
