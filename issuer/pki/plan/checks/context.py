"""A planned file beside its steps and Vault as it is: all that the checks of a plan look at. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from issuer.pki.authorities.limits import CALimits
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.plan.imports import Chains
from issuer.pki.plan.step import PkiStep
from issuer.pki.server.reading import VaultReading


@dataclass(frozen=True, slots=True)
class PlanContext:
    """The planned parts of a file at one moment.

    `limits` are the bounds of each CA that stands, or will after the steps; `chains` the certificates that
    bundles and offline CAs give. Both by authority.
    """

    file: PkiFile
    places: Places
    parts: Collection[Part]
    steps: Collection[PkiStep]
    reading: VaultReading
    limits: Mapping[str, CALimits]
    chains: Chains
    now: datetime

    @property
    def authorities(self) -> dict[str, Authority]:
        """The CAs of both parts, by name."""
        return {name: one for _, name, one in self.file.all_authorities()}

    def told(self, part: Part, *path: str | int) -> str:
        """Return file, line and path of a value of a part, as a message begins."""
        return self.places.told(*path_in_file(part, *path))
