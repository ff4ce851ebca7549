"""Certificates that wait to be written, and the request as the API server has it by then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from issuer.controller.delivery.delivering import Delivery
from issuer.controller.delivery.status_writer import StatusWriter
from issuer.controller.state.pending import PendingDelivery
from issuer.kube.resources import Resource
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKind, IssuerKinds
from issuer.requests.request import Request, RequestKey
from issuer.telemetry.metrics import Metrics
from tests.builders import certificate_request

OTHER = IssuerKind("ExampleIssuer", Resource("example.test", "v1", "exampleissuers", namespaced=True))


async def test_a_request_that_is_read_again_keeps_its_issuer_of_another_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    obj = certificate_request("one")
    obj["spec"]["issuerRef"] = {"group": "example.test", "kind": "ExampleIssuer", "name": "ca"}

    async def get(*_where: Any) -> dict[str, Any]:
        return obj

    async def deliver(_self: Delivery, request: Request, _pending: PendingDelivery) -> tuple[bool, Request]:
        return True, request

    monkeypatch.setattr(Delivery, "deliver", deliver)
    writer = cast(StatusWriter, SimpleNamespace(client=SimpleNamespace(get=get)))
    delivery = Delivery(writer, Metrics(), issuer_kinds=IssuerKinds((*BUILT_IN, OTHER)))
    meta = obj["metadata"]
    pending = cast(PendingDelivery, SimpleNamespace(key=RequestKey(meta["namespace"], meta["name"])))
    _, request = await delivery.deliver_fresh(pending)
    assert request is not None
    assert request.issuer == IssuerKey("ExampleIssuer", meta["namespace"], "ca")
