"""Claims: which issuer a ConfigMap belongs to, by what their specs say. Pure, but for the clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from issuer.api.issuers import SpecError
from issuer.api.model import parse_model
from issuer.api.trust import Trust, TrustConfigMap
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey

GRACE: Final = 600.0
"""Seconds for which an issuer may be gone before what was made for it is taken away."""

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
    """The claims of all cluster issuers that are there.

    What was made for an issuer that is gone stays for `GRACE` seconds: it may be written again in a moment
    (`kubectl replace --force`, a restored CRD), and pods that start meanwhile need its roots.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._claims: dict[str, Claim | Unreadable | None] = {}
        self._gone: dict[str, float] = {}

    def set(self, key: IssuerKey, claim: Claim | Unreadable | None) -> frozenset[str]:
        """Keep the claim of an issuer that is there; return the names of ConfigMaps that this is about."""
        self._gone.pop(str(key), None)
        old = self._claims.get(str(key))
        self._claims[str(key)] = claim
        return _names(old, claim)

    def drop(self, key: IssuerKey) -> frozenset[str]:
        """Note that an issuer is gone; return the names of ConfigMaps that this is about."""
        now = self._clock()
        self._gone = {owner: since for owner, since in self._gone.items() if now - since < GRACE}
        self._gone[str(key)] = now
        return _names(self._claims.pop(str(key), None))

    def of(self, key: IssuerKey) -> Claim | None:
        """Return the claim of an issuer; None for none, and for one that can't be read."""
        found = self._claims.get(str(key))
        return found if isinstance(found, Claim) else None

    def problem(self, key: IssuerKey) -> str | None:
        """Return why the claim of an issuer can't be read, None where it can."""
        found = self._claims.get(str(key))
        return found.problem if isinstance(found, Unreadable) else None

    def holder(self, name: str) -> Claim | None:
        """Return the claim that holds for a ConfigMap, None where no issuer names it."""
        return min(self.naming(name), key=lambda one: one.order, default=None)

    def keeps(self, owner: str) -> float:
        """Return the seconds for which what was made for an issuer stays though no spec wants it; `math.inf`
        while its spec can't be read."""
        if owner in self._claims:
            return math.inf if isinstance(self._claims[owner], Unreadable) else 0.0
        return max(0.0, self._gone.get(owner, self._began) + GRACE - self._clock())

    def naming(self, name: str) -> Iterator[Claim]:
        """Yield the claims of all issuers that name a ConfigMap."""
        for one in self._claims.values():
            if isinstance(one, Claim) and name in one.names:
                yield one


def _names(*claims: Claim | Unreadable | None) -> frozenset[str]:
    return frozenset().union(*(one.names for one in claims if isinstance(one, Claim)))
