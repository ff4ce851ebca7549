"""The part of a file that one rotation is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Foundation, PkiFile, PkiMount
from issuer.pki.file.rotations import Rotation


def about(file: PkiFile, rotation: Rotation) -> PkiFile:
    """Return a file with the two CAs, those above them, and their mounts by name alone.

    So a token for a rotation needs no right on anything else of the file.
    """
    names = {*_upwards(file, rotation.old), *_upwards(file, rotation.new)}
    foundation = Foundation(
        mounts=_bare(file.foundation.mounts), authorities=_some(file.foundation.authorities, names)
    )
    return file.model_copy(
        update={
            "foundation": foundation,
            "mounts": _bare(file.mounts),
            "authorities": _some(file.authorities, names),
        }
    )


def _upwards(file: PkiFile, name: str) -> Iterator[str]:
    by_name = {one: authority for _, one, authority in file.all_authorities()}
    at: str | None = name
    while at is not None and at in by_name:
        yield at
        at = by_name[at].signed_by


def _some(authorities: Mapping[str, Authority], names: set[str]) -> dict[str, Authority]:
    return {name: one for name, one in authorities.items() if name in names}


def _bare(mounts: Mapping[str, PkiMount]) -> dict[str, PkiMount]:
    bare = PkiMount()
    return {
        path: bare.model_copy(update={"default_issuer": one.default_issuer}) for path, one in mounts.items()
    }
