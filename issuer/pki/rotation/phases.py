"""Facts and gates become a phase. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum

from issuer.pki.authorities.identity import AuthorityProgress
from issuer.pki.errors import PkiError
from issuer.pki.rotation import gates
from issuer.pki.rotation.facts import RotationFacts
from issuer.pki.rotation.gates import Gate, GateName


class RotationPhase(StrEnum):
    """Phases of a rotation, in their order. Each but the waiting ones ends by one step."""

    PREPARE = "prepare"
    """The new CA is made; nothing signs with it."""
    SWITCH = "switch"
    """The new CA becomes the default issuer. The way back is open until RETIRE is done."""
    OBSERVE = "observe"
    """Waits until the new CA is seen to sign, everywhere."""
    DRAIN = "drain"
    """Waits until the last certificate of the old CA has ended."""
    RETIRE = "retire"
    """The old CA may sign nothing but its CRL and OCSP answers."""
    DELETE = "delete"
    """The old CA is removed, and its key, unless another issuer has it."""
    DONE = "done"


def gates_of(facts: RotationFacts) -> list[Gate]:
    """Return the gates that are looked at where a rotation stands now."""
    return list(_gates(facts))


def phase_of(facts: RotationFacts, found: Collection[Gate], accepted: Collection[GateName]) -> RotationPhase:
    """Return the phase. Raises PkiError if there is neither of the two CAs, OtherAuthority."""
    old, new = facts.old, facts.new
    if facts.progress is not AuthorityProgress.DONE or new is None:
        if old is None:
            raise PkiError(
                f"Mount {facts.rotation.mount} has no CA {facts.rotation.old}, so {facts.rotation.new} has "
                "nothing to take over; pki apply makes it as any other"
            )
        return RotationPhase.PREPARE
    if not facts.switched:
        return RotationPhase.SWITCH
    if old is None:
        left = facts.old_key and not facts.key_users
        return RotationPhase.DELETE if left else RotationPhase.DONE
    if not old.may_sign:
        return RotationPhase.DELETE
    waiting = {one.name for one in found if one.holds_up(accepted)}
    if waiting - {GateName.ENDED}:
        return RotationPhase.OBSERVE
    return RotationPhase.DRAIN if waiting else RotationPhase.RETIRE


def _gates(facts: RotationFacts) -> Iterator[Gate]:
    old, new = facts.old, facts.new
    if new is None or old is None:
        return
    if not facts.switched:
        yield gates.chain_gate(facts, old, new)
    elif old.may_sign:
        yield gates.chain_gate(facts, old, new)
        yield gates.signs_gate(facts, new)
        yield gates.roles_gate(facts, old)
        yield gates.issuers_gate(facts, old, new)
        yield gates.ended_gate(facts, old)
    else:
        yield gates.free_gate(facts, old)
        yield gates.buffer_gate(facts, old)
