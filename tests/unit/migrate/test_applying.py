"""Changes of a plan on objects that others write at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from issuer.cli.cluster.migrate import _way_back_told
from issuer.kube.client import KubeClient
from issuer.manifests.errors import BadInput
from issuer.migrate.output.applying import try_out
from issuer.migrate.plan import Action, Plan, PlanStep
from tests.unit.kube.fake_api import FakeApi, json, refuse

PATH = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
OLD = {"name": "step-ca", "kind": "StepClusterIssuer", "group": "certmanager.step.sm"}
NEW = {**OLD, "group": "vault-issuer.io"}
CONFLICT = refuse(409, "Conflict", "the object has been modified")


def certificate(reference: dict[str, str], version: str = "7") -> dict[str, Any]:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "team-a", "resourceVersion": version},
        "spec": {"secretName": "web-tls", "issuerRef": reference},
    }


STEP = PlanStep(
    Action.CHANGE, "Certificate team-a/web", manifest=certificate(NEW), before=certificate(OLD), version="7"
)


def written(api: FakeApi) -> list[str]:
    return [call.body["metadata"]["resourceVersion"] for call in api.called("PATCH")]


async def test_a_certificate_that_is_being_renewed_is_changed_all_the_same(
    api: FakeApi, client: KubeClient
) -> None:
    api.on("PATCH", PATH, CONFLICT, CONFLICT, json(certificate(NEW, "10")))
    api.on("GET", PATH, json(certificate(OLD, "8")), json(certificate(OLD, "9")))
    await try_out(client, Plan((STEP,)))
    assert written(api) == ["7", "8", "9"]


async def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(
    api: FakeApi, client: KubeClient
) -> None:
    api.on("PATCH", PATH, CONFLICT)
    api.on("GET", PATH, json(certificate({**OLD, "name": "another"}, "8")))
    with pytest.raises(BadInput, match="the object has been modified"):
        await try_out(client, Plan((STEP,)))
    assert written(api) == ["7"]


async def test_an_object_that_never_rests_ends_the_tries(api: FakeApi, client: KubeClient) -> None:
    api.always("PATCH", PATH, CONFLICT)
    api.always("GET", PATH, json(certificate(OLD, "8")))
    with pytest.raises(BadInput):
        await try_out(client, Plan((STEP,)))
    assert len(written(api)) == 20


def test_an_interruption_has_the_way_back(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(asyncio.CancelledError), _way_back_told(["The way back: undo"]):
        raise asyncio.CancelledError
    said = capsys.readouterr()
    assert (said.out, "run the same again" in said.err) == ("The way back: undo\n", True)
