"""The shape that all kinds of things in Vault share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from issuer.pki.file.model import Part
from issuer.pki.file.place import Path, Place
from issuer.pki.resources.values import same
from issuer.pki.secret import HIDDEN, hidden, masked
from issuer.pki.server.reading import VaultReading


class Order(IntEnum):
    """Stages of an apply, in their order: URLs stand before CAs, since a certificate takes its pointers when
    it is signed."""

    AUDIT = 1
    MOUNT = 2
    CLUSTER = 3
    URLS = 4
    ISSUER = 5
    """Settings of issuers that exist: they stand before these sign, too."""
    AUTHORITY = 6
    DEFAULT_ISSUER = 7
    ROLE = 8
    CRL = 9
    ACME = 10
    POLICY = 11
    AUTH = 12
    AUTH_CONFIG = 13
    AUTH_ROLE = 14
    REMOVAL = 15


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs: as JSON values, secrets hidden. `before` is None where nothing is set."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class VaultWrite:
    """One call that brings a resource to what is wanted. Its body is never shown."""

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class VaultResource:
    """One thing at one path.

    `wanted` are the file's fields, `defaults` Vault's for those that the file leaves out, `write_only` the
    names of fields that are never read back, `old_names` older names of fields with those by which they are
    read. `inside` is the mount that must exist before the path may be
    read. `kind` is a word for people. `fields_of` names the kind of write in `known_fields`, "" if its fields
    aren't free text of the file; `at` is the path of those fields in the file.
    """

    kind: str
    order: Order
    path: str
    place: Place
    part: Part
    wanted: Mapping[str, Any] = field(default_factory=dict, repr=False)
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    write_only: frozenset[str] = frozenset()
    old_names: Mapping[str, str] = field(default_factory=dict)
    inside: str | None = None
    method: str = "POST"
    fields_of: str = ""
    at: Path = ()

    @property
    def help_path(self) -> str:
        """The path whose help lists the fields of its write."""
        return self.path

    def reads(self) -> tuple[str, ...]:
        """Return the paths that must be read to compare it."""
        return (self.path,)

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        """Return its fields as read, in the names of `wanted`; None if it doesn't exist."""
        return reading.data(self.path)

    def obstacle(self, reading: VaultReading) -> str:
        """Return what keeps it from being made or changed as wanted, and what to do; "" for nothing."""
        return ""

    def settled(self, reading: VaultReading) -> VaultResource:
        """Return it with what a rotation has set as what is wanted; itself where none goes on."""
        return self

    def changes(self, current: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
        """Return the fields that differ, in the order of the file; defaults that were changed come last.

        Of what isn't there yet that is every field which the file sets, `false` and 0 among them: Vault's own
        default may be the opposite.
        """
        read = current or {}
        found = []
        for name, value in {**self._left_out(), **self.wanted}.items():
            if name in self.write_only and not read.get(name):
                if current is None and name in self.wanted:
                    found.append(FieldChange(name, None, HIDDEN))
                continue
            held = read.get(name, read.get(self.old_names.get(name, name)))
            known = name in read
            if current is None and name not in self.wanted:
                continue
            if not known and name not in self.wanted:
                continue  # a field of other versions
            made = current is None and value not in (None, "", [], {})
            if made or not same(name, _readable(value, held), held):
                found.append(FieldChange(name, masked(held), masked(value)))
        return tuple(found)

    def not_comparable(self) -> tuple[str, ...]:
        """Return the names of wanted fields that Vault never gives back."""
        whole = [name for name in self.wanted if name in self.write_only]
        inner = [
            f"{name}.{key}"
            for name, value in self.wanted.items()
            if isinstance(value, Mapping)
            for key, one in value.items()
            if one and one != masked(one)
        ]
        return (*whole, *inner)

    def writes(self, current: Mapping[str, Any] | None) -> tuple[VaultWrite, ...]:
        """Return the calls that make or change it; `current` is what `current()` gave."""
        reset = {
            name: value
            for name, value in self._left_out().items()
            if current is not None and name in current and not same(name, value, current[name])
        }
        return (VaultWrite(self.method, self.path, {**reset, **self.wanted}),)

    def _left_out(self) -> dict[str, Any]:
        """Return the defaults of fields that the file doesn't give by an older name."""
        given = {self.old_names[name] for name in self.wanted if name in self.old_names}
        return {name: value for name, value in self.defaults.items() if name not in given}


def hide(fields: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the fields with the texts in the values of `names` as secrets."""
    return {name: hidden(value) if name in names else value for name, value in fields.items()}


def _readable(value: Any, held: Any) -> Any:
    """Return a wanted value without the secrets of a map that Vault doesn't give back."""
    if not (isinstance(value, Mapping) and isinstance(held, Mapping)):
        return value
    return {key: one for key, one in value.items() if key in held or one == masked(one)}
