"""Queues of trust: what holds up an issuer's condition, and what doesn't."""

from __future__ import annotations

from typing import cast

from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.trust.distribution import TrustDistribution, Watched
from issuer.controller.trust.ledger import Target
from issuer.controller.trust.reporter import TrustReporter
from issuer.controller.trust.targets import TrustTargets
from issuer.kube.client import KubeClient
from issuer.requests.issuers import BUILT_IN
from issuer.telemetry.metrics import Metrics
from tests.builders import REASON_LABELS
from tests.unit.controller.fakes import ScriptedKube


async def test_namespaces_that_come_without_end_hold_up_no_condition() -> None:
    namespaces = NamespaceStore(lambda _name: None)
    namespaces.upsert({"metadata": {"name": "team-a"}})
    trust = TrustDistribution(
        cast(KubeClient, ScriptedKube()),
        TrustTargets(("roots",)),
        Watched({}, IssuerRegistry(lambda _key: None), namespaces),
        BUILT_IN,
        cast(TrustReporter, None),
        lambda: True,
        Defects(Metrics(REASON_LABELS)),
        60.0,
    )
    store = trust.ledger.stores["roots"]
    store.begin()
    store.end()
    assert not trust.ledger.is_settled("roots"), "all are to be looked at"
    trust.ledger.done(Target("roots", "team-a"))
    namespaces.upsert({"metadata": {"name": "team-b"}})
    trust.namespace("team-b")
    assert trust.ledger.is_settled("roots")
