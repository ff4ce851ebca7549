"""Ready condition of policies: evaluated or not, and selecting an issuer that is there or not."""

from __future__ import annotations

from typing import Any, cast

import pytest

from issuer.controller.approval.policies import PolicyReconciler, PolicyStore
from issuer.kube.client import KubeClient
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.policy.facts import IssuerReference

DEMO = IssuerReference("demo", "VaultClusterIssuer", "vault-issuer.io")


class Statuses:
    """Takes statuses of policies and keeps them."""

    def __init__(self) -> None:
        self.written: list[Object] = []

    async def replace_status(self, _resource: object, obj: Object) -> Object:
        self.written.append(obj)
        return obj


class Desk:
    """A reconciler of policies, with the issuers that are there."""

    def __init__(self) -> None:
        self.issuers = [DEMO]
        self.kube = Statuses()
        self.store = PolicyStore(lambda _name: None, lambda _name, error: str(error))
        queue: WorkQueue[str] = WorkQueue()
        client = cast(KubeClient, self.kube)
        self.reconciler = PolicyReconciler(client, self.store, queue, lambda: self.issuers)

    async def ready(self, **reference: str) -> dict[str, Any]:
        """Return the condition of a policy that selects so, once it was reconciled."""
        spec = {"selector": {"issuerRef": reference}}
        metadata = {"name": "shop", "uid": "u", "generation": 1}
        if self.store.get("shop") is None:
            self.store.upsert({"metadata": metadata, "spec": spec})
        await self.reconciler.reconcile("shop")
        (condition,) = self.kube.written[-1]["status"]["conditions"]
        return cast(dict[str, Any], condition)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_an_unusable_policy_counts_for_the_issuers_that_it_may_be_about(desk: Desk) -> None:
    broken = {"constraints": {"maxDuration": "soon"}}
    selectors: dict[str, Any] = {
        "here": {"issuerRef": {"name": "demo"}},
        "there": {"issuerRef": {"name": "other"}},
        "nowhere": {},
    }
    for name, selector in selectors.items():
        metadata = {"name": name, "uid": name, "generation": 1}
        desk.store.upsert({"metadata": metadata, "spec": broken | {"selector": selector}})
    assert desk.store.invalid.keys() == selectors.keys()
    assert desk.store.invalid_elsewhere(DEMO) == {"there"}
    assert desk.store.may_select(DEMO)
    desk.store.drop("here")
    desk.store.drop("nowhere")
    assert not desk.store.may_select(DEMO)


@pytest.mark.parametrize("reference", [{}, {"name": "demo"}, {"name": "d*"}, {"group": "vault-issuer.io"}])
async def test_a_policy_for_an_issuer_that_is_there_is_ready(desk: Desk, reference: dict[str, str]) -> None:
    found = await desk.ready(**reference)
    assert (found["status"], found["reason"]) == ("True", "Ready")


async def test_a_policy_for_an_issuer_that_is_not_there_says_so_until_it_comes(desk: Desk) -> None:
    found = await desk.ready(name="vualt", kind="VaultClusterIssuer")
    assert (found["status"], found["reason"]) == ("True", "IssuerNotFound")
    for word in ('name "vualt"', 'kind "VaultClusterIssuer"', "spec.selector.issuerRef"):
        assert word in found["message"]
    desk.issuers.append(IssuerReference("vualt", "VaultClusterIssuer", "vault-issuer.io"))
    assert (await desk.ready())["reason"] == "Ready"
    desk.issuers.pop()
    assert (await desk.ready())["reason"] == "IssuerNotFound"
    assert len(desk.kube.written) == 3


async def test_a_policy_that_selects_by_namespace_alone_needs_no_issuer(desk: Desk) -> None:
    desk.issuers.clear()
    assert (await desk.ready())["reason"] == "Ready"


async def test_an_invalid_policy_says_that_first(desk: Desk) -> None:
    desk.issuers.clear()
    spec = {"selector": {"issuerRef": {"name": "gone"}}, "constraints": {"maxDuration": "90d"}}
    desk.store.upsert({"metadata": {"name": "shop", "uid": "u", "generation": 1}, "spec": spec})
    found = await desk.ready()
    assert (found["status"], found["reason"]) == ("False", "Invalid")
    assert "a day is 24h" in found["message"]
