"""A file that is checked, with what several checks ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from issuer.pki.file.authority import Authority
from issuer.pki.file.durations import seconds
from issuer.pki.file.engine import lifetime
from issuer.pki.file.model import Part, PkiFile, PkiMount, path_in_file
from issuer.pki.file.place import Places

_DEFAULT_MAX_LEASE: Final = 768 * 3600
"""Seconds: Vault's longest lifetime in a mount that isn't tuned, unless its configuration says otherwise."""
_LIFETIMES: Final = (
    *("ttl", "max_ttl", "max_lease_ttl", "default_lease_ttl", "not_before_duration"),
    *("expiry", "ocsp_expiry", "auto_rebuild_grace_period", "delta_rebuild_interval"),
    *("interval_duration", "safety_buffer", "revoked_safety_buffer", "issuer_safety_buffer"),
    *("acme_account_safety_buffer", "pause_duration", "lease"),
    *("period", "secret_id_ttl", "token_explicit_max_ttl", "token_max_ttl", "token_period", "token_ttl"),
)
"""Fields of Vault's that hold a lifetime, wherever they stand."""


@dataclass(frozen=True)
class CheckedFile:
    """A file, and where its values stand."""

    file: PkiFile
    places: Places

    @cached_property
    def mounts(self) -> dict[str, PkiMount]:
        """The mounts of both parts, by path."""
        return {path: one for _, path, one in self.file.all_mounts()}

    @cached_property
    def authorities(self) -> dict[str, Authority]:
        """The CAs of both parts, by name."""
        return {name: one for _, name, one in self.file.all_authorities()}

    def at(self, part: Part, *path: str) -> str:
        """Return file, line and path of a value of a part, as a message begins."""
        return self.places.told(*path_in_file(part, *path))

    def lifetime_problems(self, part: Part, fields: Mapping[str, Any], *path: str) -> Iterator[str]:
        """Yield the fields that should be lifetimes, and aren't."""
        for key in _LIFETIMES:
            if fields.get(key, "") == "":
                continue
            try:
                if seconds(fields[key]) < 0:
                    raise ValueError("must not be negative; write for example 720h or 30d")
            except ValueError as error:
                yield f"{self.at(part, *path, key)} {error}"

    def templating_problems(self, mount: str, at: str) -> Iterator[str]:
        """Yield a line unless a mount has the addresses that templated URLs are made of."""
        found = self.mounts.get(mount)
        cluster = (found.cluster if found is not None else None) or {}
        if not (cluster.get("path") and cluster.get("aia_path")):
            yield (
                f"{at} templated URLs need cluster.path and cluster.aia_path of mount {mount}; without them "
                "Vault refuses to sign anything"
            )


def longest_lease(mount: PkiMount) -> int:
    """Return the longest lifetime, in seconds, that a mount gives."""
    return lifetime(mount.tune.get("max_lease_ttl")) or _DEFAULT_MAX_LEASE
