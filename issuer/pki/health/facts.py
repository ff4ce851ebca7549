"""Mounts, auth methods and policies as they were read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography import x509

from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.server.reading import VaultReading
from issuer.x509.chains.links import signed_by


class NotReadable(Exception):
    """A check needs a path that could not be read; `path` and Vault's reason."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} can't be read: {why}")
        self.path = path


@dataclass(frozen=True)
class IssuerFacts:
    """One issuer: `entry` is what `issuer/ID` holds; the lists are None where Vault has none."""

    identifier: str
    name: str
    key_id: str
    certificate: x509.Certificate
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)
    crl: x509.CertificateRevocationList | None = None
    delta: x509.CertificateRevocationList | None = None

    @property
    def label(self) -> str:
        """Its name, or its id if it has none."""
        return self.name or self.identifier

    @cached_property
    def is_root(self) -> bool:
        """True if it signed itself."""
        return signed_by(self.certificate, self.certificate)

    @cached_property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its certificate and those above it, as Vault built the chain, up to one that can't be read."""
        found = []
        for pem in self.entry.get("ca_chain") or ():
            try:
                found.append(x509.load_pem_x509_certificate(str(pem).encode()))
            except UNDECODABLE:
                break
        return tuple(found) or (self.certificate,)

    @property
    def usages(self) -> frozenset[str]:
        """Uses that it allows."""
        return frozenset(str(self.entry.get("usage", "")).split(","))


@dataclass(frozen=True)
class MountFacts:
    """One PKI mount. `leaves` are certificates without CA rights that it stores, as many as were read."""

    path: str
    reading: VaultReading = field(repr=False)
    issuers: tuple[IssuerFacts, ...] = ()
    leaves: tuple[x509.Certificate, ...] = ()

    def data(self, below: str) -> Mapping[str, Any]:
        """Return what a path of the mount holds, {} where nothing. Raises NotReadable."""
        return self.at(f"{self.path}/{below}")

    def at(self, path: str) -> Mapping[str, Any]:
        """Return what a path of Vault holds, {} where nothing. Raises NotReadable."""
        why = self.reading.refused.get(path)
        if why is not None:
            raise NotReadable(path, why)
        return self.reading.data(path) or {}

    def readable(self, below: str) -> Mapping[str, Any]:
        """Return what a path of the mount holds, {} where nothing, or where it may not be read."""
        return self.reading.data(f"{self.path}/{below}") or {}

    @property
    def tune(self) -> Mapping[str, Any]:
        """Its tuning. Raises NotReadable."""
        return self.at(self.tune_path)

    @property
    def tune_path(self) -> str:
        """The path of its tuning."""
        return f"sys/mounts/{self.path}/tune"

    def roles(self) -> dict[str, Mapping[str, Any]]:
        """Return its roles by name. Raises NotReadable."""
        names = [str(one) for one in self.data("roles/").get("keys") or ()]
        return {name: self.data(f"roles/{name}") for name in names}

    def serials(self) -> tuple[str, ...]:
        """Return the serial numbers of all certificates that it stores. Raises NotReadable."""
        return tuple(str(one) for one in self.data("certs/").get("keys") or ())

    def identifiers(self) -> tuple[str, ...]:
        """Return the ids of all issuers, also of those that may not be read. Raises NotReadable."""
        return tuple(map(str, self.data("issuers/").get("key_info") or {}))

    def keyed(self) -> tuple[IssuerFacts, ...]:
        """Return the issuers with a key."""
        self.data("issuers/")  # raises if it can't be told
        return tuple(one for one in self.issuers if one.key_id)

    def roots(self) -> tuple[IssuerFacts, ...]:
        """Return the issuers that are roots."""
        self.data("issuers/")
        return tuple(one for one in self.issuers if one.is_root)

    def default(self) -> IssuerFacts | None:
        """Return the default issuer. Raises NotReadable."""
        identifier = self.data("config/issuers").get("default", "")
        self.data(f"issuer/{identifier}")
        return next((one for one in self.issuers if one.identifier == identifier), None)

    def issuer(self, reference: str) -> IssuerFacts | None:
        """Return the issuer that a role names. Raises NotReadable."""
        if reference in ("", "default"):
            return self.default()
        found = next((one for one in self.issuers if reference in (one.name, one.identifier)), None)
        if found is None:
            for identifier in self.identifiers():
                self.data(f"issuer/{identifier}")  # it may be one that can't be read
        return found


@dataclass(frozen=True, slots=True)
class AuthRoleFacts:
    """One role of an auth method, with what it holds."""

    method: str
    kind: str
    name: str
    path: str
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of the policies that its tokens get."""
        given = self.fields.get("token_policies") or self.fields.get("policies") or ()
        return tuple(str(one) for one in given)


@dataclass(frozen=True, slots=True)
class AccessFacts:
    """Roles of auth methods, texts of policies by name, and the paths that could not be read."""

    roles: tuple[AuthRoleFacts, ...] = ()
    policies: Mapping[str, str] = field(default_factory=dict, repr=False)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VaultFacts:
    """All that a run knows of one Vault. `skew` is Vault's clock minus ours in seconds."""

    mounts: tuple[MountFacts, ...]
    access: AccessFacts
    skew: float | None
