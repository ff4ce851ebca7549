"""Rotations that a file asks for: a CA that `replaces` another of its mount. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from issuer.pki.file.authority import Authority, Origin
from issuer.pki.file.engine import ISSUES, may_sign
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Path
from issuer.site import docs_page

NEW_ROOT: Final = docs_page("rotate-the-ca", "a-new-root")
"""Page on a new root, by hand."""
KEY: Final = "replaces"
"""Key of the new authority that names the old one."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Names of the old and the new CA of one mount."""

    part: Part
    mount: str
    old: str
    new: str

    @property
    def where(self) -> Path:
        """Path in the file of the key that asks for it."""
        return path_in_file(self.part, "authorities", self.new, KEY)

    @property
    def names(self) -> tuple[str, str]:
        """Both names, the old one first."""
        return self.old, self.new


def rotations_of(file: PkiFile) -> list[Rotation]:
    """Return the rotations of a file, in its order."""
    return [
        Rotation(part, one.mount, one.replaces, name)
        for part, name, one in file.all_authorities()
        if one.replaces is not None
    ]


def rotation_of(file: PkiFile, mount: str) -> Rotation | None:
    """Return the rotation of a mount, None if there is none."""
    return next((one for one in rotations_of(file) if one.mount == mount), None)


def rotation_problems(file: PkiFile) -> Iterator[tuple[Path, str]]:
    """Yield the path in the file of each rotation that can't be, and a sentence with the change."""
    by_name = {name: one for _, name, one in file.all_authorities()}
    defaults = {path: mount.default_issuer for _, path, mount in file.all_mounts()}
    seen: dict[str, str] = {}
    for one in rotations_of(file):
        sentence = _problem(one, by_name, defaults.get(one.mount))
        other = seen.setdefault(one.mount, one.new)
        if not sentence and other != one.new:
            sentence = (
                f"{other} replaces a CA of mount {one.mount}, too; finish one rotation of a mount, and take "
                f"its {KEY} out, before the next"
            )
        if sentence:
            yield one.where, sentence


def _problem(rotation: Rotation, by_name: dict[str, Authority], default: str | None) -> str:
    old, new = by_name.get(rotation.old), by_name[rotation.new]
    if old is None or rotation.old == rotation.new or old.mount != rotation.mount:
        return f"no other authority {rotation.old} with mount: {rotation.mount} is in the file"
    if Origin.ROOT in (old.origin, new.origin):
        return f"a root is replaced by hand, as every client has to trust the new one first: {NEW_ROOT}"
    if default not in rotation.names:
        return (
            f"only the CA that signs by default is rotated; write defaultIssuer: {rotation.old} at mount "
            f"{rotation.mount}"
        )
    if not may_sign(new.settings):
        return f"{rotation.new} is to sign, and its settings.usage lacks {ISSUES}; add that"
    return ""
