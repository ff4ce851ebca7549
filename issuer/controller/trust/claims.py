"""Claims: which issuer a ConfigMap belongs to, by what their specs say. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from issuer.api.issuers import SpecError
from issuer.api.model import parse_model
from issuer.api.trust import Trust, TrustConfigMap
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey

Version = tuple[str, int]
"""Uid and generation of an issuer."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The claim of an issuer whose `spec.trust` can't be read, and why: it may be any."""

    problem: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The objects that an issuer wants. Of several issuers that name one ConfigMap, the oldest has it."""

    issuer: IssuerKey
    version: Version
    created: str
    config_map: TrustConfigMap | None
    cluster_trust_bundle: bool

    @property
    def names(self) -> frozenset[str]:
        """The ConfigMap that it names, if any."""
        return frozenset() if self.config_map is None else frozenset({self.config_map.name})

    @property
    def order(self) -> tuple[str, IssuerKey]:
        """The order of issuers that name one ConfigMap."""
        return self.created, self.issuer


def read_claim(key: IssuerKey, issuer: Object) -> Claim | None:
    """Return what an issuer's spec claims, None for nothing. Raises SpecError."""
    spec, meta = issuer.get("spec"), issuer["metadata"]
    wanted = spec.get("trust") if isinstance(spec, dict) else None
    if key.namespace or wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise SpecError("spec.trust: must be an object")
    trust = parse_model(Trust, wanted, "spec.trust", strict=False)
    version = meta["uid"], meta["generation"]
    created, bundle = str(meta.get("creationTimestamp") or ""), trust.cluster_trust_bundle is not None
    return Claim(key, version, created, trust.config_map, bundle)


class Claims:
    """The claims of all issuers."""

    def __init__(self) -> None:
        self._claims: dict[IssuerKey, Claim | Unreadable] = {}

    def set(self, key: IssuerKey, claim: Claim | Unreadable | None) -> frozenset[str]:
        """Keep an issuer's claim; return the names of the ConfigMaps that this is about."""
        old = self._claims.pop(key, None)
        if claim is not None:
            self._claims[key] = claim
        return frozenset().union(*(one.names for one in (old, claim) if isinstance(one, Claim)))

    def of(self, key: IssuerKey) -> Claim | None:
        """Return the claim of an issuer; None for none, and for one that can't be read."""
        found = self._claims.get(key)
        return found if isinstance(found, Claim) else None

    def problem(self, key: IssuerKey) -> str | None:
        """Return why the claim of an issuer can't be read, None where it can."""
        found = self._claims.get(key)
        return found.problem if isinstance(found, Unreadable) else None

    def holder(self, name: str) -> Claim | None:
        """Return the claim that holds for a ConfigMap, None where no issuer names it."""
        return min(self.naming(name), key=lambda one: one.order, default=None)

    def may_be_wanted(self, owner: str) -> bool:
        """Return True if the issuer that a ConfigMap was written for may still want it: what its spec says is
        not known."""
        return any(str(key) == owner for key, one in self._claims.items() if isinstance(one, Unreadable))

    def naming(self, name: str) -> Iterator[Claim]:
        """Yield the claims of all issuers that name a ConfigMap."""
        for one in self._claims.values():
            if isinstance(one, Claim) and name in one.names:
                yield one
