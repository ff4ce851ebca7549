"""CAs of a rotation in a plan: the new one is made by `pki rotate`, the old one is never made again. Pure."""

from __future__ import annotations

from typing import Final

from issuer.pki.authorities.identity import AuthorityProgress, identify
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.file.rotations import KEY, Rotation, rotations_of
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.issuers import issuer_id
from issuer.pki.resources.resource import Order
from issuer.pki.server.reading import VaultReading

_ROTATE: Final = "pki rotate makes it, and has it take over from {old} step by step: vault-issuer pki rotate"


def ending(rotation: Rotation) -> str:
    """Return the change of the file with which a rotation that is done ends."""
    return (
        f"take the authority {rotation.old} and {KEY} of {rotation.new} out of the file, and write "
        f"defaultIssuer: {rotation.new} at mount {rotation.mount}"
    )


def rotated_step(
    part: Part, name: str, file: PkiFile, places: Places, reading: VaultReading
) -> PkiStep | None:
    """Return the step of a CA that a rotation makes or has removed; None where a plan compares or makes it as
    any other.

    A new CA whose predecessor isn't in Vault has nothing to take over, so it is made as any other, and the
    one that it replaces is not made. Raises OtherAuthority.
    """
    authorities = {one: authority for _, one, authority in file.all_authorities()}
    for rotation in rotations_of(file):
        if name not in rotation.names:
            continue
        old_stands = _is_there(rotation.old, authorities[rotation.old], reading)
        if name == rotation.old:
            note = f"is replaced by {rotation.new}, and not in Vault: once that is, {ending(rotation)}"
            return None if old_stands else _step(part, name, authorities[name], places, note)
        if old_stands and not _is_done(name, authorities[name], reading):
            note = _ROTATE.format(old=rotation.old)
            return _step(part, name, authorities[name], places, note, StepAction.ROTATE)
    return None


def _is_there(name: str, authority: Authority, reading: VaultReading) -> bool:
    known = (reading.data(f"{authority.mount}/issuers/") or {}).get("key_info") or {}
    return bool(issuer_id(name, known))


def _is_done(name: str, authority: Authority, reading: VaultReading) -> bool:
    mount = authority.mount
    known = (reading.data(f"{mount}/keys/"), reading.data(f"{mount}/issuers/"))
    return identify(name, authority, *known).progress is AuthorityProgress.DONE


def _step(
    part: Part,
    name: str,
    authority: Authority,
    places: Places,
    note: str,
    action: StepAction = StepAction.NONE,
) -> PkiStep:
    return PkiStep(
        action=action,
        kind="authority",
        path=f"{authority.mount}/issuer/{name}",
        order=Order.AUTHORITY,
        part=part,
        place=str(places.of(*path_in_file(part, "authorities", name))),
        note=note,
        authority=name,
    )
