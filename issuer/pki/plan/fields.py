"""Fields of the file against those that the server offers: one that is unknown or of another type is refused
before a write. Pure.

Vault ignores a field that it doesn't know, with a warning alone, and refuses another type when it is written.
Inside of a mount that isn't there yet,
another mount of its type is asked; without one, the fields of OpenBao 2.7.2 and Vault 1.21 count.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.pki.file.place import Places
from issuer.pki.resources.known_fields import KNOWN
from issuer.pki.resources.mounts import AUTH, SECRETS, MountResource, exists
from issuer.pki.resources.resource import VaultResource
from issuer.pki.secret import plain
from issuer.pki.server.offers import mismatch, type_of_default
from issuer.pki.server.reading import VaultReading

Offers = Mapping[str, Mapping[str, str]]
"""Types of fields by `VaultResource.fields_of`; none where the server didn't tell."""
_ALWAYS: Final = frozenset({"type", "description"})


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """Problems that stop an apply, and notes on what couldn't be asked; a line each."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def questions(resources: Iterable[VaultResource], reading: VaultReading) -> dict[str, str]:
    """Return the path to ask for help by kind of write, of the kinds that will be written."""
    asked: dict[str, str] = {}
    for resource in written(resources, reading):
        if resource.fields_of in asked:
            continue
        path = _askable(resource, reading)
        if path:
            asked[resource.fields_of] = path
    return asked


def written(resources: Iterable[VaultResource], reading: VaultReading) -> Iterator[VaultResource]:
    """Yield the resources with fields of the file that differ from what was read.

    One without a difference has no unknown field: Vault wouldn't have kept it.
    """
    for one in resources:
        refused = any(path in reading.refused for path in one.reads())
        if one.fields_of and not refused and one.changes(one.current(reading)):
            yield one


def check_fields(
    resources: Iterable[VaultResource], reading: VaultReading, offers: Offers, places: Places
) -> FieldCheck:
    """Return a problem, with file and line, for each field that the server doesn't have."""
    problems: list[str] = []
    unasked: dict[str, str] = {}
    for one in written(resources, reading):
        offered = offers.get(one.fields_of) or {}
        if not offered:
            unasked.setdefault(one.fields_of, one.kind)
        known = frozenset(offered) or KNOWN.get(one.fields_of, frozenset())
        problems += [
            _unknown(one, name, known, asked=bool(offered), places=places)
            for name in one.wanted
            if name not in known and name not in _ALWAYS
        ]
        problems += _mistyped(one, offered, places)
    notes = []
    if unasked:
        kinds = ", ".join(dict.fromkeys(unasked.values()))
        notes.append(
            f"Fields of {kinds} were compared with those of OpenBao 2.7.2 and Vault 1.21: this server can't "
            "be asked before their mounts are there, or doesn't tell"
        )
    return FieldCheck(tuple(problems), tuple(notes))


def _mistyped(resource: VaultResource, offered: Mapping[str, str], places: Places) -> Iterator[str]:
    for name, value in resource.wanted.items():
        kind = offered.get(name) or type_of_default(resource.defaults.get(name))
        wanted = mismatch(plain(value), kind)
        if wanted:
            at = places.told(*resource.at, name)
            yield f"{at} must be {wanted} for this {resource.kind}; correct it"


def _unknown(
    resource: VaultResource, name: str, known: frozenset[str], *, asked: bool, places: Places
) -> str:
    whose = "this server has" if asked else "neither OpenBao 2.7.2 nor Vault 1.21 has"
    close = difflib.get_close_matches(name, sorted(known), 1)
    change = f"write {close[0]}, or remove it" if close else "remove it"
    if not asked:
        change += "; if this server has it, enable a mount of that type first, and the server itself is asked"
    negation = "no field" if asked else "a field"
    return f"{places.told(*resource.at, name)} {whose} {negation} {name} for this {resource.kind}; {change}"


def _askable(resource: VaultResource, reading: VaultReading) -> str:
    """Return a path whose help lists the fields of a write, "" if there is none yet."""
    inside = resource.inside
    if inside is None or isinstance(resource, MountResource):
        return resource.help_path
    table, mount, prefix = SECRETS, inside, ""
    if inside.startswith("auth/"):
        table, mount, prefix = AUTH, inside.removeprefix("auth/"), "auth/"
    if exists(reading, table, mount):
        return resource.help_path
    kind = resource.fields_of.partition("/")[0]
    for path, entry in (reading.data(table) or {}).items():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return f"{prefix}{path.rstrip('/')}/{resource.help_path.removeprefix(f'{inside}/')}"
    return ""
