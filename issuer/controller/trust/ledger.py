"""Ledger: what is known of issuers' roots and their ConfigMaps, and in which namespaces work is left."""

from __future__ import annotations

from typing import NamedTuple

from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.trust.claims import Claim, Claims, Version
from issuer.controller.trust.objects import SeenStore
from issuer.controller.trust.reasons import LeftOut
from issuer.controller.trust.roots import Roots
from issuer.controller.trust.steps import Leave, Step, WantedRoots, decide
from issuer.requests.issuers import IssuerKey


class Target(NamedTuple):
    """The ConfigMap of one name in one namespace."""

    name: str
    namespace: str


class Ledger:
    """The claims, roots and ConfigMaps of one process, and the namespaces where something is left to do.

    `stores` are the ConfigMaps by name: all names that may be written.
    """

    def __init__(self, namespaces: NamespaceStore, stores: dict[str, SeenStore]) -> None:
        self.claims = Claims()
        self.stores = stores
        self._namespaces = namespaces
        self._roots: dict[IssuerKey, tuple[Version, Roots]] = {}
        self._open: dict[str, set[str]] = {name: set() for name in stores}
        self._trouble: dict[str, dict[str, LeftOut]] = {name: {} for name in stores}

    def keep_roots(self, claim: Claim, roots: Roots) -> bool:
        """Keep the roots of an issuer as its spec is now; return True if they are others than before."""
        old = self._roots.get(claim.issuer)
        self._roots[claim.issuer] = claim.version, roots
        return old != (claim.version, roots)

    def roots(self, claim: Claim) -> Roots | None:
        """Return the last good roots of an issuer as its spec is now, None where none are known."""
        version, roots = self._roots.get(claim.issuer, (None, None))
        return roots if version == claim.version else None

    def forget(self, key: IssuerKey) -> None:
        """Forget an issuer that is gone, or claims nothing."""
        self._roots.pop(key, None)

    def begin(self, target: Target) -> None:
        """Note that a target is to be looked at, as all are."""
        self._open[target.name].add(target.namespace)

    def step(self, target: Target) -> Step:
        """Return what is to be done about a target now."""
        store, labels = self.stores[target.name], self._namespaces.labels(target.namespace)
        if labels is None or self._namespaces.terminating(target.namespace) or not store.listed:
            return Leave()
        claim, found = self.claims.holder(target.name), store.get(target.namespace)
        kept = 0.0 if found is None else self.claims.keeps(found.owner)
        wanted = None if claim is None else WantedRoots(claim, self.roots(claim))
        return decide(target.name, target.namespace, labels, wanted, found, kept)

    def done(self, target: Target, trouble: LeftOut | None = None) -> bool:
        """Note how the look at a target ended; return True if that is news to the issuer's condition."""
        self._open[target.name].discard(target.namespace)
        known = self._trouble[target.name]
        old = known.pop(target.namespace, None)
        if trouble is not None:
            known[target.namespace] = trouble
        return old != trouble or not self._open[target.name]

    def is_settled(self, name: str) -> bool:
        """Return True if every namespace was looked at since all were to be."""
        return self.stores[name].listed and not self._open[name]

    def trouble(self, name: str) -> dict[str, LeftOut]:
        """Return why a ConfigMap is not as it should be, by namespace; of those that are gone nothing."""
        known = self._trouble[name]
        for gone in [one for one in known if self._namespaces.labels(one) is None]:
            del known[gone]
        return known
