"""`renew`: the condition that has cert-manager issue again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from issuer.cli.renew import _renew, ask_for_renewal
from tests.unit.cli.test_installing import kubeconfig
from tests.unit.kube.fake_api import client_of, echo, json, refuse, running

PATH = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def certificate(*conditions: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "team-a", "generation": 3, "resourceVersion": "1"},
        "status": {"revision": 2, "conditions": list(conditions)},
    }


async def test_the_condition_issuing_is_set_and_the_rest_of_the_status_kept() -> None:
    ready = {"type": "Ready", "status": "True"}
    async with running() as api, client_of(api) as client:
        api.on("GET", PATH, json(certificate(ready)), json(certificate(ready)))
        api.on("PUT", f"{PATH}/status", refuse(409, "Conflict"), echo("2"))
        assert await ask_for_renewal(client, "web", "team-a", NOW) == ""
        body = api.calls[-1].body
    assert body["status"]["revision"] == 2
    assert body["status"]["conditions"] == [
        ready,
        {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": "2026-11-22T12:00:00Z",
            "observedGeneration": 3,
        },
    ]


async def test_what_is_being_issued_is_left_alone() -> None:
    async with running() as api, client_of(api) as client:
        api.on("GET", PATH, json(certificate({"type": "Issuing", "status": "True"})))
        assert "issuing it already" in await ask_for_renewal(client, "web", "team-a", NOW)


async def test_each_certificate_has_its_own_answer(tmp_path: Path) -> None:
    async with running() as api:
        api.on("GET", PATH, refuse(403, "Forbidden", "it takes get"))
        api.on("GET", PATH.replace("web", "api"), json(certificate()))
        api.on("PUT", f"{PATH}/status", echo("2"))
        found = await _renew(["web", "api"], "team-a", kubeconfig(api, tmp_path), None)
    assert "it takes get" in found["web"]
    assert found["api"] == ""
