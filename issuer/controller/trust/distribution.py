"""Queues, watches and workers of trust, joined; nothing is decided here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from issuer.api.issuers import SpecError
from issuer.controller.scheduling import workers
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.trust.claims import Unreadable, read_claim
from issuer.controller.trust.cluster_bundles import ClusterBundles
from issuer.controller.trust.issuers import TrustIssuers
from issuer.controller.trust.ledger import Ledger, Target
from issuer.controller.trust.objects import CONFIG_MAPS, SeenStore
from issuer.controller.trust.reasons import LeftOutCause
from issuer.controller.trust.reporter import TrustReporter
from issuer.controller.trust.targets import TrustTargets
from issuer.controller.trust.writer import TrustWriter
from issuer.kube.client import KubeClient
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.watching.reflector import Reflector
from issuer.requests.issuers import IssuerKey, IssuerKinds

WRITERS: Final = 4
"""Namespaces that are written to at once."""
_ISSUERS: Final = 2
_SETTLES: Final = 0.5
"""Seconds after which an issuer's condition is written, for many namespaces at once."""
_ISSUER_BACKOFF: Final = 15.0


@dataclass(frozen=True, slots=True)
class Watched:
    """State of issuers and namespaces, as the controller's watches keep it."""

    issuers: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    namespaces: NamespaceStore


class TrustDistribution:
    """The roots of cluster issuers, in what is `wanted`; `leads` says whether this process writes.

    `issuer`, `namespace` and `lead` are told of what happens; `start` begins once issuers and namespaces are
    listed.
    """

    def __init__(
        self,
        client: KubeClient,
        wanted: TrustTargets,
        watched: Watched,
        kinds: IssuerKinds,
        reporter: TrustReporter,
        leads: Callable[[], bool],
        defects: Defects,
        period: float,
    ) -> None:
        self._watched = watched
        self._defects = defects
        self._targets: WorkQueue[Target] = WorkQueue()
        self._issuers: WorkQueue[IssuerKey] = WorkQueue(longest=_ISSUER_BACKOFF)
        stores = {
            name: SeenStore("namespace", partial(self._look, name), partial(self.spread, name))
            for name in wanted.config_maps
        }
        self.ledger = Ledger(watched.namespaces, stores)
        self.reflectors = {
            name: Reflector(
                client,
                CONFIG_MAPS,
                store,
                field_selector=f"metadata.name={name}",
                optional=True,
                streamed=True,
            )
            for name, store in stores.items()
        }
        self._bundles = ClusterBundles(
            client, kinds, wanted=wanted.cluster_trust_bundles, on_change=self._issuers.add
        )
        self._writer = TrustWriter(client, self.ledger, self._targets, leads, self._settles)
        self._looks = TrustIssuers(
            watched.issuers,
            watched.registry,
            self.ledger,
            self._bundles,
            reporter,
            self._issuers,
            leads,
            lambda name: self.reflectors[name].refused,
            self.spread,
            period,
        )

    @property
    def left_out(self) -> Counter[LeftOutCause]:
        """The number of ConfigMaps that are not as they should be in a namespace, by cause."""
        return Counter(one.cause for name in self.ledger.stores for one in self.ledger.trouble(name).values())

    @property
    def distributed(self) -> dict[IssuerKey, bool]:
        """The issuers with `spec.trust`, and whether nothing of the issuer itself keeps its roots back."""
        return self._looks.distributed

    def issuer(self, key: IssuerKey) -> None:
        """Look at an issuer that is new, changed or gone."""
        if key.namespace:
            return
        for name in self._claimed(key):
            self.spread(name)
            self._settles(name)
        self._issuers.forget(key)
        self._issuers.add(key)

    def namespace(self, name: str) -> None:
        """Look at a namespace that is new, or whose labels changed."""
        for config_map in self.ledger.stores:
            self._look(config_map, name)

    def lead(self) -> None:
        """Look at everything once: this process writes from now on."""
        for name in self.ledger.stores:
            self.spread(name)
        for store in self._watched.issuers.values():
            for key in store.known():
                self.issuer(key)

    def spread(self, name: str) -> None:
        """Look at the ConfigMap of that name in all namespaces."""
        if name in self.ledger.stores:
            for namespace in self._watched.namespaces.known():
                self.ledger.begin(Target(name, namespace))
                self._look(name, namespace)

    def start(self) -> list[asyncio.Task[None]]:
        """Begin; the tasks end when they are cancelled, between two writes or in one: each is whole."""
        return [
            asyncio.create_task(self._bundles.run(), name="watch-ClusterTrustBundle"),
            *(asyncio.create_task(one.run(), name=f"watch-{name}") for name, one in self.reflectors.items()),
            *workers.start("trust", WRITERS, self._targets, self._writer.reconcile, self._defects),
            *workers.start("trust", _ISSUERS, self._issuers, self._looks.reconcile, self._defects),
        ]

    def _claimed(self, key: IssuerKey) -> frozenset[str]:
        """Note what an issuer claims now; return the names of the ConfigMaps that this is about."""
        store, claims = self._watched.issuers[key.kind], self.ledger.claims
        obj, problem = store.get(key), store.problem(key)
        if problem is not None:
            return claims.set(key, Unreadable(problem))
        if obj is None:
            return claims.drop(key)
        try:
            return claims.set(key, read_claim(key, obj))
        except SpecError as error:
            return claims.set(key, Unreadable(str(error)))

    def _look(self, name: str, namespace: str) -> None:
        """Look at one namespace. The condition waits for looks at all, not for this: namespaces may come and
        change without end."""
        self._targets.add(Target(name, namespace))

    def _settles(self, name: str) -> None:
        for claim in self.ledger.claims.naming(name):
            self._issuers.add_after(claim.issuer, _SETTLES)
