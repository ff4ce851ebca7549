"""Names that Vault takes otherwise than they are written, or not at all. Pure.

Vault would refuse most of them half-way through an apply. Tried on OpenBao 2.7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Path

_OWN_MOUNTS: Final = frozenset({"audit", "auth", "cubbyhole", "identity", "sys"})
_OWN_LOGINS: Final = frozenset({"token"})
_OWN_POLICIES: Final = frozenset({"control-group", "response-wrapping", "root"})


def as_kept(name: str) -> str:
    """Return the name of a policy or of an auth method's role as Vault keeps and lists it.

    It takes these in any case, and reads and writes one by either spelling. Roles of PKI mounts have two.
    """
    return name.lower()


SEPARATORS: Final = "-_."
"""Characters that end a prefix: `team` is that of team-sign, and not of teamwork."""


def begins(name: str, prefix: str) -> bool:
    """Return True if a name is `prefix`, or goes on behind a separator; cases count as one. "" begins all."""
    name, prefix = as_kept(name), as_kept(prefix)
    if not name.startswith(prefix):
        return False
    return not prefix or name == prefix or prefix[-1] in SEPARATORS or name[len(prefix)] in SEPARATORS


def mount_in_the_way(path: str, others: Iterable[str]) -> str:
    """Return the first of other mounts that lies around a path or inside of it, "" if none does."""
    own = f"{path}/"
    return next(
        (one for one in others if one != path and (own.startswith(f"{one}/") or f"{one}/".startswith(own))),
        "",
    )


def name_problems(file: PkiFile) -> Iterator[tuple[Path, str]]:
    """Yield the path in the file of each name that can't be so, and a sentence with the change."""
    foundation = Part.FOUNDATION
    mounts = {path: path_in_file(part, "mounts", path) for part, path, _ in file.all_mounts()}
    yield from _mounts(mounts, _OWN_MOUNTS)
    logins = {path: path_in_file(foundation, "auth", path) for path in file.foundation.auth}
    yield from _mounts(logins, _OWN_LOGINS)
    policies = {name: path_in_file(foundation, "policies", name) for name in file.foundation.policies}
    for name, where in policies.items():
        if as_kept(name) in _OWN_POLICIES:
            yield where, f"Vault lets nobody write its own policy {as_kept(name)}; take another name"
    yield from _twins(policies, "policies")
    for path, method in file.foundation.auth.items():
        yield from _twins({name: (*logins[path], "roles", name) for name in method.roles}, "auth roles")


def _mounts(places: dict[str, Path], own: frozenset[str]) -> Iterator[tuple[Path, str]]:
    seen: list[str] = []
    for path, where in places.items():
        first = path.partition("/")[0]
        other = mount_in_the_way(path, seen)
        if first in own:
            yield where, f"{first} is a path of Vault's own; take another"
        elif other:
            yield where, f"Vault takes no mount inside of another, and {other} is one; take a path beside it"
        seen.append(path)


def _twins(places: dict[str, Path], kind: str) -> Iterator[tuple[Path, str]]:
    seen: dict[str, str] = {}
    for name, where in places.items():
        other = seen.setdefault(as_kept(name), name)
        if other != name:
            yield where, f"Vault keeps names of {kind} in lower case, so it is {other} again; rename one"
