"""Settings of issuers that exist, and the default issuer of a mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from issuer.pki.file.authority import Authority
from issuer.pki.file.engine import ISSUES, names_of
from issuer.pki.file.model import Part, PkiMount, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.file.rotations import Rotation
from issuer.pki.resources import defaults
from issuer.pki.resources.resource import Order, VaultResource, VaultWrite
from issuer.pki.server.reading import VaultReading

_READS: Final = "read-only"


def issuer_id(name: str, by_issuer: Mapping[str, Any]) -> str:
    """Return the id of the issuer that has this name or id; "" if there is none. `by_issuer` is the
    `key_info` of a mount's list."""
    return next((one for one, info in by_issuer.items() if name in (one, info.get("issuer_name"))), "")


@dataclass(frozen=True, slots=True)
class IssuerResource(VaultResource):
    """Usage, URLs and expiry behaviour of one issuer.

    A write resets what it leaves out, the name included, so it always sends everything.
    """

    name: str = ""
    is_replaced: bool = False

    def settled(self, reading: VaultReading) -> VaultResource:
        """Return it with the usage that it has, where a rotation took `issuing-certificates` from it."""
        usage = names_of((reading.data(self.path) or {}).get("usage"))
        if not self.is_replaced or not usage or ISSUES in usage:
            return self
        return replace(self, wanted={**self.wanted, "usage": list(usage)})

    def is_listed(self, reading: VaultReading) -> bool:
        """Return True if the mount's list has an issuer of that name or id."""
        known = (reading.data(f"{self.inside}/issuers/") or {}).get("key_info") or {}
        return bool(issuer_id(self.name, known))

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        """Return its fields as read, in the file's words for what Vault gives back otherwise.

        It adds `read-only` to every usage, and gives ids for the names of `manual_chain`.
        """
        read = reading.data(self.path)
        if read is None:
            return None
        same = dict(read)
        if "usage" in self.wanted and _READS not in names_of(self.wanted["usage"]):
            same["usage"] = [one for one in names_of(read.get("usage")) if one != _READS]
        wanted = names_of(self.wanted.get("manual_chain"))
        if wanted:
            known = (reading.data(f"{self.inside}/issuers/") or {}).get("key_info") or {}
            words = {key: one.get("issuer_name") for key, one in known.items()}
            if "self" in wanted:
                words[str(read.get("issuer_id"))] = "self"
            chain = [str(one) for one in read.get("manual_chain") or ()]
            same["manual_chain"] = [words[one] if words.get(one) in wanted else one for one in chain]
        return same

    def writes(self, current: Mapping[str, Any] | None) -> tuple[VaultWrite, ...]:
        read = current or {}
        kept = {name: value for name, value in self.defaults.items() if name in read}
        if read.get("manual_chain"):
            kept["manual_chain"] = read["manual_chain"]
        name = read.get("issuer_name", self.name)  # "" of one that the file names by its id
        return (VaultWrite("POST", self.path, {"issuer_name": name, **kept, **self.wanted}),)


@dataclass(frozen=True, slots=True)
class DefaultIssuer(VaultResource):
    """The default issuer of a mount. Vault reads back an id, which the mount's list turns into a name."""

    mount: str = ""
    rotation: Rotation | None = None

    def settled(self, reading: VaultReading) -> VaultResource:
        """Return it with the CA that signs now as what is wanted, if that is one of a rotation's two.

        Whatever the file names, it is the old one while the new one isn't there, and the new one once the old
        one is gone.
        """
        if self.rotation is None:
            return self
        known = (reading.data(f"{self.mount}/issuers/") or {}).get("key_info") or {}
        old, new = (issuer_id(name, known) for name in self.rotation.names)
        if not old:
            return replace(self, wanted={"default": self.rotation.new})
        held = self.current(reading) or {}
        if (reading.data(self.path) or {}).get("default") in (old, new):
            return replace(self, wanted={"default": held.get("default")})
        return self if new else replace(self, wanted={"default": self.rotation.old})

    def reads(self) -> tuple[str, ...]:
        return (self.path, f"{self.mount}/issuers/")

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        read = reading.data(self.path)
        if read is None:
            return None
        known = (reading.data(f"{self.mount}/issuers/") or {}).get("key_info") or {}
        identifier = read.get("default", "")
        name = (known.get(identifier) or {}).get("issuer_name") or identifier
        return {**read, "default": name}


def issuer_settings(
    part: Part, name: str, authority: Authority, places: Places, *, is_replaced: bool
) -> Iterator[IssuerResource]:
    """Yield the settings of an authority's issuer; `is_replaced` if a rotation replaces it."""
    where = path_in_file(part, "authorities", name, "settings")
    yield IssuerResource(
        kind="issuer",
        order=Order.ISSUER,
        path=f"{authority.mount}/issuer/{name}",
        place=places.of(*where),
        part=part,
        wanted=authority.settings,
        defaults=defaults.ISSUER,
        write_only=defaults.ISSUER_UNREAD,
        inside=authority.mount,
        name=name,
        is_replaced=is_replaced,
        fields_of="pki/issuer",
        at=where,
    )


def default_issuer(
    part: Part, path: str, mount: PkiMount, places: Places, rotation: Rotation | None = None
) -> Iterator[DefaultIssuer]:
    """Yield the default issuer of a mount, if the file names it; with the mount's rotation, if one is asked
    for."""
    if mount.default_issuer is not None:
        yield DefaultIssuer(
            kind="default issuer",
            order=Order.DEFAULT_ISSUER,
            path=f"{path}/config/issuers",
            place=places.of(*path_in_file(part, "mounts", path, "defaultIssuer")),
            part=part,
            wanted={"default": mount.default_issuer},
            defaults={"default_follows_latest_issuer": False},
            inside=path,
            mount=path,
            rotation=rotation,
        )
