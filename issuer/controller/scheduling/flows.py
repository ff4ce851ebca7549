"""Maps a key to its fair-queue flow: tenant, limiter, and flow within the limiter.

The order itself is `issuer.kube.queues.fairqueue`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from issuer.controller.issuance.delivery import Delivery
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.scheduling.limits import OPEN, Limits
from issuer.controller.state.stores import IssuerStore, RequestStore
from issuer.kube.queues.fairqueue import Place
from issuer.kube.queues.parts import PartedLine
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey

_NAMESPACE: Final = "Namespace"
"""No kind of issuer: whose requests of namespaced issuers take turns."""


@dataclass(frozen=True, slots=True, eq=False)
class RequestTurns:
    """Where each request stands in the line.

    Each VaultClusterIssuer has turns of its own, and so has each namespace for all of its VaultIssuers,
    however many it makes. Among the requests of one issuer, namespaces take turns; Kubernetes'
    CertificateSigningRequests have none, so there requesters do.
    """

    stores: Mapping[type[Request], RequestStore]
    issuers: Mapping[str, IssuerStore]
    delivery: Delivery
    limits: Limits

    def place(self, key: RequestKey) -> Place[RequestKey]:
        """The place of a request as it is known now; one that is gone has one, too."""
        held = self.delivery.held(key)
        if held is not None:
            # It only has to be delivered: that needs no token, and no answer of a Vault that is slow.
            return Place(_owner(held.issuer), OPEN, key.namespace)
        asked = self.stores[kind_of(key)].asked_of(key)
        if asked is None:
            return Place(None, OPEN, key.namespace)
        issuer, username = asked
        flow = key.namespace or username
        # Anyone can name issuers that don't exist: they have one turn together, not one each.
        if issuer is None or self.issuers[issuer.kind].get(issuer) is None:
            return Place(None, OPEN, flow)
        return Place(_owner(issuer), self.limits.gate(issuer), flow)


def _owner(issuer: IssuerKey) -> tuple[str, str]:
    return (_NAMESPACE, issuer.namespace) if issuer.namespace else (issuer.kind, issuer.name)


def parted(place_of: Callable[[RequestKey], Place[RequestKey]], workers: int) -> PartedLine[RequestKey]:
    """Return a line where requests of cluster issuers and all others leave each other a quarter of `workers`,
    however many of them hang."""

    def is_cluster_issuers(key: RequestKey) -> bool:
        owner = place_of(key).owner
        return isinstance(owner, tuple) and owner[0] != _NAMESPACE

    most: dict[Hashable, int] = dict.fromkeys((True, False), workers)
    return PartedLine(place_of, is_cluster_issuers, most, left=workers // 4)


def of_revocations(store: RevocationStore) -> Callable[[RequestKey], Place[RequestKey]]:
    """Revocations: issuers take turns, and the namespaces of their requests."""

    def place(key: RequestKey) -> Place[RequestKey]:
        record = store.get(key)
        issuer = None if record is None else record.issuer
        return Place(None if issuer is None else _owner(issuer), OPEN, key.namespace)

    return place
