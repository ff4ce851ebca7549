"""The two CAs of a rotation, and all that its gates look at, from what was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from cryptography import x509

from issuer.pki.authorities.identity import AuthorityProgress, identify
from issuer.pki.authorities.parts import read_ca, read_chain
from issuer.pki.file.authority import Authority
from issuer.pki.file.engine import ISSUES, lifetime, names_of
from issuer.pki.file.rotations import Rotation
from issuer.pki.resources.issuers import issuer_id
from issuer.pki.rotation.issued import IssuedByCA
from issuer.pki.rotation.seen import SeenCluster, VaultPlace
from issuer.pki.server.reading import VaultReading
from issuer.text import first_of

_SAFETY: Final = 72 * 3600
"""Seconds: Vault's own `safety_buffer` of auto-tidy, where that can't be read."""


@dataclass(frozen=True)
class RotatedCA:
    """An issuer as Vault has it: id, and the answer to a read of it."""

    identifier: str
    entry: Mapping[str, Any] = field(repr=False)

    @property
    def key_id(self) -> str:
        """Id of its key, "" without."""
        return str(self.entry.get("key_id") or "")

    @property
    def name(self) -> str:
        """Its name, or its id if it has none."""
        return str(self.entry.get("issuer_name") or self.identifier)

    @cached_property
    def certificate(self) -> x509.Certificate:
        """Its certificate. Raises PkiError for one that can't be read."""
        return read_ca(self.entry, f"the issuer {self.name}")

    @cached_property
    def chain(self) -> Sequence[x509.Certificate]:
        """Its certificate and those above it, as Vault built the chain. Raises PkiError."""
        return read_chain(self.entry, f"the chain of {self.name}")

    @property
    def end(self) -> datetime:
        """End of its certificate."""
        return self.certificate.not_valid_after_utc

    @property
    def usages(self) -> tuple[str, ...]:
        """Uses that it allows."""
        return names_of(self.entry.get("usage"))

    @property
    def may_sign(self) -> bool:
        """Return True unless it is retired."""
        return ISSUES in self.usages

    def is_named(self, reference: object) -> bool:
        """Return True if a reference to an issuer means this one: by its id or its name."""
        return str(reference) in (self.identifier, self.entry.get("issuer_name"))


@dataclass(frozen=True, slots=True)
class IssuedFacts:
    """Certificates in the mount's list, by the CA that signed them; of `unread` ones that can't be told."""

    old: IssuedByCA
    new: IssuedByCA
    unread: int = 0


@dataclass(frozen=True)
class RotationFacts:
    """All that is known of one rotation at a moment.

    `old` is None once it is deleted, `new` until it is made; `issued` is None where the list of certificates
    may not be read, `cluster` where none was looked at. `last_signed` is when the old CA signed last, as a
    person says, and `place` is the Vault that all this is read from. `roots` are those that a person gives,
    where the mount holds none.
    """

    rotation: Rotation
    authorities: Mapping[str, Authority]
    reading: VaultReading = field(repr=False)
    now: datetime
    issued: IssuedFacts | None = None
    cluster: SeenCluster | None = None
    last_signed: datetime | None = None
    place: VaultPlace = field(default_factory=VaultPlace)
    roots: tuple[x509.Certificate, ...] = ()

    def at(self, below: str) -> Mapping[str, Any]:
        """Return what a path of the mount holds, {} where nothing, or where it may not be read."""
        return self.reading.data(f"{self.rotation.mount}/{below}") or {}

    @property
    def by_issuer(self) -> Mapping[str, Any]:
        """The mount's issuers by id, as its list shows them."""
        return self.at("issuers/").get("key_info") or {}

    @cached_property
    def issuers(self) -> Sequence[RotatedCA]:
        """The mount's issuers, as far as they may be read."""
        read = {one: self.at(f"issuer/{one}") for one in self.by_issuer}
        return [RotatedCA(one, entry) for one, entry in read.items() if entry]

    def _ca(self, identifier: str) -> RotatedCA | None:
        return next((one for one in self.issuers if one.identifier == identifier), None)

    @cached_property
    def old(self) -> RotatedCA | None:
        """The old CA."""
        return self._ca(issuer_id(self.rotation.old, self.by_issuer))

    @cached_property
    def progress(self) -> AuthorityProgress:
        """Return how far the making of the new CA has come. Raises OtherAuthority."""
        name, authority = self.rotation.new, self.authorities[self.rotation.new]
        return identify(name, authority, self.at("keys/"), self.at("issuers/")).progress

    @cached_property
    def new(self) -> RotatedCA | None:
        """The new CA, once it has its name."""
        done = self.progress is AuthorityProgress.DONE
        return self._ca(issuer_id(self.rotation.new, self.by_issuer)) if done else None

    @property
    def default(self) -> str:
        """Id of the issuer that signs by default."""
        return str(self.at("config/issuers").get("default") or "")

    @property
    def follows(self) -> bool:
        """Return True if the issuer that is imported last becomes the default."""
        return bool(self.at("config/issuers").get("default_follows_latest_issuer"))

    @property
    def switched(self) -> bool:
        """Return True if the new CA signs by default."""
        return self.new is not None and self.default == self.new.identifier

    @property
    def roles(self) -> Mapping[str, Mapping[str, Any]] | None:
        """The mount's roles by name; None if they may not be read, all of them."""
        mount = self.rotation.mount
        names = [str(one) for one in self.at("roles/").get("keys") or ()]
        paths = [f"{mount}/roles/", *(f"{mount}/roles/{one}" for one in names)]
        if any(path in self.reading.refused for path in paths):
            return None
        return {name: self.at(f"roles/{name}") for name in names}

    @property
    def programs(self) -> str:
        """Sentence on OpenBao's CEL roles, each of which is a program that chooses the CA and what is
        stored; "" where there are none."""
        path = f"{self.rotation.mount}/cel/roles/"
        if path in self.reading.refused:
            return f"the token may not list {path}"
        names = [str(one) for one in self.at("cel/roles/").get("keys") or ()]
        return f"the CEL roles {first_of(names, 5)} choose the CA by a program" if names else ""

    @property
    def old_key(self) -> str:
        """Id of the old CA's key, "" once it is deleted: by the issuer, and by its name when that is gone."""
        if self.old is not None:
            return self.old.key_id
        name = self.authorities[self.rotation.old].key_name or self.rotation.old
        keys = self.at("keys/").get("key_info") or {}
        return next((str(one) for one, info in keys.items() if info.get("key_name") == name), "")

    @property
    def key_users(self) -> list[str]:
        """Names of other issuers that have the old CA's key."""
        ours = "" if self.old is None else self.old.identifier
        return [
            str(info.get("issuer_name") or one)
            for one, info in self.by_issuer.items()
            if self.old_key and info.get("key_id") == self.old_key and one != ours
        ]

    @property
    def buffer(self) -> timedelta:
        """Time for which a certificate is kept after its end, by the mount's auto-tidy."""
        found = lifetime(self.at("config/auto-tidy").get("safety_buffer"))
        return timedelta(seconds=_SAFETY if found is None else found)

    @property
    def longest(self) -> timedelta | None:
        """Longest life of a certificate of the mount, where a role says none; None if it may not be read."""
        tune = self.reading.data(f"sys/mounts/{self.rotation.mount}/tune") or {}
        found = lifetime(tune.get("max_lease_ttl"))
        return timedelta(seconds=found) if found else None
