"""One run against a scripted API server: each stage in turn, and the request deleted whatever happens."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from issuer.controller.canary.history import CanaryHistory, CanaryRun, Stage
from issuer.controller.canary.probe import Probe, ProbeObserver, ProbeStep, sweep
from issuer.controller.canary.prober import Prober
from issuer.controller.canary.request import CONTROLLER, LABEL
from issuer.controller.canary.target import CanaryTarget
from issuer.controller.state.defects import Defects
from issuer.kube.client import KubeClient
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.telemetry.canary_metrics import CanaryMetrics
from issuer.telemetry.metrics import Metrics
from tests.builders import condition, issuer_object
from tests.ca import TestCA, pem
from tests.unit.kube.fake_api import FakeApi, Reply, json, listing, never, refuse, until

DEMO = IssuerKey("VaultClusterIssuer", "", "demo")
ALL = "/apis/cert-manager.io/v1/namespaces/canaries/certificaterequests"
ISSUER = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers/demo"
NAME = "canary.lab.example.test"


@pytest.fixture(scope="module")
def ca() -> TestCA:
    return TestCA.make(datetime.now(UTC))


@pytest.fixture
def target() -> CanaryTarget:
    return CanaryTarget(DEMO, "canaries", NAME, timeout=0.5)


def created(api: FakeApi) -> dict[str, Any]:
    """The request as it was sent."""
    (call,) = api.called("POST")
    return dict(call.body)


def answered(
    api: FakeApi,
    ca: TestCA | None = None,
    *conditions: dict[str, Any],
    root: TestCA | None = None,
    sign: Callable[[str], str] | None = None,
) -> Reply:
    """The request as it was created, with a certificate of the CA or with these conditions."""

    async def reply(_: web.BaseRequest) -> web.StreamResponse:
        found = created(api)
        found["metadata"] |= {"uid": "u", "creationTimestamp": "2026-11-22T11:59:59Z"}
        found["status"] = {"conditions": list(conditions)}
        if ca is not None:
            csr = base64.b64decode(found["spec"]["request"]).decode()
            leaf = (
                sign(csr) if sign else ca.sign(csr, now=datetime.now(UTC), life=timedelta(hours=1)).leaf_pem
            )
            found["status"] |= {
                "conditions": [
                    condition("Approved", message="Approved by policy"),
                    condition("Ready", reason="Issued", message="signed, serial 1f"),
                ],
                "certificate": encoded(leaf + pem(ca.intermediate)),
                "ca": encoded(pem((root or ca).root)),
            }
        return web.json_response(found)

    return reply


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def run(
    api: FakeApi, client: KubeClient, target: CanaryTarget, *answers: Reply, create: Reply | None = None
) -> tuple[CanaryRun, list[ProbeStep]]:
    """One run with these answers to its reads; it deletes what it made."""
    steps: list[ProbeStep] = []
    probe = Probe(client, target, CONTROLLER, ProbeObserver(steps.append))
    own = f"{ALL}/{probe.request.partition('/')[2]}"
    api.on("POST", ALL, create or json({}))
    api.on("GET", own, *answers)
    if create is None:
        api.on("DELETE", own, json({}))
    found = await probe.run()
    assert [one for one in api.left() if one.startswith("DELETE")] == []
    return found, steps


async def test_a_good_run_passes_every_stage_and_leaves_nothing(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA
) -> None:
    waiting = condition("Ready", "False", "Pending", "soon")
    found, steps = await run(api, client, target, answered(api, None, waiting), answered(api, ca))
    assert found.stage is None
    assert [(one.stage, one.ok) for one in steps] == [
        (Stage.API, True),
        (Stage.CONTROLLER, True),
        (Stage.POLICY, True),
        (Stage.ISSUER, True),
        (Stage.CHAIN, True),
    ]
    assert found.not_after is not None
    assert found.not_after - found.started > timedelta(minutes=59)
    sent = created(api)
    assert sent["metadata"]["labels"] == {LABEL: CONTROLLER}
    assert sent["spec"]["duration"] == "1h0m0s"
    assert CertificateRequest({**sent, "metadata": {**sent["metadata"], "uid": "u"}}).issuer == DEMO


@pytest.mark.parametrize(
    ("create", "about"),
    [
        (refuse(403, "Forbidden", "cannot create"), "create, get and delete"),
        (refuse(404, "NotFound", 'namespaces "canaries" not found'), "namespace"),
        (refuse(422, "Invalid", "no"), "webhook"),
    ],
)
async def test_a_request_that_is_refused_is_the_api_servers(
    api: FakeApi, client: KubeClient, target: CanaryTarget, create: Reply, about: str
) -> None:
    found, steps = await run(api, client, target, create=create)
    assert found.stage is Stage.API
    assert about in found.message
    assert [(one.stage, one.ok) for one in steps] == [(Stage.API, False)]


@pytest.mark.parametrize("reply", [refuse(500, "InternalError", "the webhook"), never()])
async def test_one_that_may_have_been_made_is_deleted_too(
    api: FakeApi, client: KubeClient, target: CanaryTarget, reply: Reply
) -> None:
    probe = Probe(client, target, CONTROLLER)
    api.on("POST", ALL, reply)
    api.on("DELETE", f"{ALL}/{probe.request.partition('/')[2]}", refuse(404, "NotFound"))
    assert (await probe.run()).stage is Stage.API
    assert api.left() == []


async def test_a_denial_is_told_after_the_controller_is_found_well(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    denied = (condition("Denied", message="dnsNames"), condition("Ready", "False", "Denied"))
    found, steps = await run(api, client, target, answered(api, None, *denied))
    assert found.stage is Stage.POLICY
    assert [(one.stage, one.ok) for one in steps][-2:] == [(Stage.CONTROLLER, True), (Stage.POLICY, False)]


async def test_a_request_nobody_answers_is_judged_by_its_issuer_too(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    forbidden = condition("Ready", "False", "ApprovalForbidden", "grant it")
    api.on("GET", ISSUER, json({**issuer_object(), "status": {"conditions": [forbidden]}}))
    found, _ = await run(api, client, target, *(answered(api) for _ in range(20)))
    assert found.stage is Stage.API
    assert "grant it" in found.message


async def test_an_api_server_that_goes_silent_is_not_taken_for_a_silent_controller(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    found, _ = await run(api, client, target, answered(api), never())
    assert found.stage is Stage.API


def slow(reply: Reply, seconds: float) -> Reply:
    async def later(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await reply(request)

    return later


async def test_an_api_server_that_is_slow_at_the_end_is_not_taken_for_a_silent_one(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    api.on("GET", ISSUER, json(issuer_object()))
    patient = dataclasses.replace(target, timeout=1.5)
    found, _ = await run(api, client, patient, *(slow(answered(api), 1.2) for _ in range(3)))
    assert found.stage is Stage.CONTROLLER


async def test_a_request_that_somebody_deletes_is_told(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    found, _ = await run(api, client, target, refuse(404, "NotFound"))
    assert found.stage is Stage.API
    assert "was deleted before" in found.message


async def test_a_chain_to_another_ca_than_the_answers_is_broken(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA
) -> None:
    other = TestCA.make(datetime.now(UTC))
    found, steps = await run(api, client, target, answered(api, ca, root=other))
    assert found.stage is Stage.CHAIN
    assert steps[-1].ok is False


async def test_a_chain_without_a_trusted_ca_is_broken(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA
) -> None:
    other = TestCA.make(datetime.now(UTC))
    trusting = dataclasses.replace(target, roots_pem=pem(other.root))
    found, _ = await run(api, client, trusting, answered(api, ca))
    assert found.stage is Stage.CHAIN
    assert "a CA that the canary trusts" in found.message


async def test_a_trusted_ca_is_enough(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA
) -> None:
    trusting = dataclasses.replace(target, roots_pem=pem(ca.root))
    found, _ = await run(api, client, trusting, answered(api, ca))
    assert found.stage is None


@pytest.mark.parametrize(
    ("name", "life"), [("other.example.test", timedelta(hours=1)), (NAME, timedelta(hours=9))]
)
async def test_another_name_or_life_than_asked_is_broken(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA, name: str, life: timedelta
) -> None:
    def sign(csr: str) -> str:
        return ca.sign(csr, now=datetime.now(UTC), life=life, extra_dns=(name,)).leaf_pem

    found, _ = await run(api, client, target, answered(api, ca, sign=sign))
    assert found.stage is Stage.CHAIN


async def test_a_request_that_cannot_be_deleted_is_broken_at_the_end(
    api: FakeApi, client: KubeClient, target: CanaryTarget, ca: TestCA
) -> None:
    probe = Probe(client, target, CONTROLLER)
    own = f"{ALL}/{probe.request.partition('/')[2]}"
    api.on("POST", ALL, json({}))
    api.on("GET", own, answered(api, ca))
    api.on("DELETE", own, refuse(403, "Forbidden", "cannot delete"))
    found = await probe.run()
    assert found.stage is Stage.API
    assert "cannot delete" in found.message


async def test_a_run_that_is_cut_off_deletes_its_request(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    patient = dataclasses.replace(target, timeout=60)
    probe = Probe(client, patient, CONTROLLER)
    own = f"{ALL}/{probe.request.partition('/')[2]}"
    api.on("POST", ALL, json({}))
    api.on("GET", own, never())
    api.on("DELETE", own, json({}))
    task = asyncio.create_task(probe.run())
    await until(lambda: bool(api.called("GET")))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert api.left() == []


def left_behind(name: str, issuer: str = "demo", **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "canaries", **meta},
        "spec": {"issuerRef": {"group": "vault-issuer.io", "kind": DEMO.kind, "name": issuer}},
    }


async def test_only_this_canarys_leftovers_are_swept(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    going = left_behind("going", deletionTimestamp="2026-11-22T12:00:00Z")
    api.on("GET", ALL, listing("1", left_behind("a"), left_behind("b", "other"), going, more="next"))
    elsewhere = left_behind("elsewhere")
    elsewhere["spec"]["issuerRef"]["group"] = "other.example.test"
    api.on("GET", ALL, listing("1", left_behind("c"), elsewhere))
    for name in ("a", "c"):
        api.on("DELETE", f"{ALL}/{name}", json({}))
    assert await sweep(client, target) == 2
    assert {call.query["labelSelector"] for call in api.called("GET")} == {f"{LABEL}={CONTROLLER}"}


async def test_who_does_not_lead_asks_nobody_and_tells_no_issuer(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    metrics, history, leads = Metrics(), CanaryHistory(), False
    told = CanaryMetrics(metrics.registry, tuple(Stage), 60)
    prober = Prober(client, [target], 60, history, told, lambda: leads, Defects(metrics))
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(0.05)
    assert not api.calls
    assert value(metrics, "vault_issuer_canary_last_success_timestamp_seconds") is None
    assert metrics.registry.get_sample_value("vault_issuer_canary_period_seconds") == 60

    leads = True
    api.on("GET", ALL, refuse(500, "InternalError"))
    api.on("POST", ALL, refuse(403, "Forbidden"))
    await until(lambda: history.last(DEMO) is not None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert value(metrics, "vault_issuer_canary_last_success_timestamp_seconds") == 0
    assert value(metrics, "vault_issuer_canary_runs_total", result="failure") == 1
    failing = {one: value(metrics, "vault_issuer_canary_failing", stage=one) for one in Stage}
    assert failing == {one: float(one is Stage.API) for one in Stage}


def prober_of(
    client: KubeClient, target: CanaryTarget, history: CanaryHistory, leads: Callable[[], bool]
) -> Prober:
    metrics = Metrics()
    told = CanaryMetrics(metrics.registry, tuple(Stage), 60)
    return Prober(client, [target], 60, history, told, leads, Defects(metrics))


async def test_a_list_of_leftovers_that_cannot_be_read_does_not_end_the_canary(
    api: FakeApi, client: KubeClient, target: CanaryTarget
) -> None:
    history = CanaryHistory()
    api.on("GET", ALL, listing("1", {"spec": {}}))  # no metadata: a defect of whoever made it
    api.on("POST", ALL, refuse(403, "Forbidden"))
    with capture_logs() as lines:
        task = prober_of(client, target, history, lambda: True).start()
        await until(lambda: history.last(DEMO) is not None)
    assert not task.done()
    assert [one["queue"] for one in lines if one["event"] == "unexpected error"] == ["canaries"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_canaries_that_end_by_a_defect_say_so_at_once(client: KubeClient, target: CanaryTarget) -> None:
    def defect() -> bool:
        raise RuntimeError("a defect")

    with capture_logs() as lines:
        task = prober_of(client, target, CanaryHistory(), defect).start()
        await asyncio.wait([task])
        await asyncio.sleep(0)  # its callbacks' turn
    assert ["stopped because of a defect" in one["event"] for one in lines] == [True]


async def test_canaries_that_are_stopped_say_nothing(client: KubeClient, target: CanaryTarget) -> None:
    with capture_logs() as lines:
        task = prober_of(client, target, CanaryHistory(), lambda: False).start()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert lines == []


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    issuer = {"kind": DEMO.kind, "namespace": "", "name": DEMO.name}
    return metrics.registry.get_sample_value(name, {**issuer, **labels})


def test_the_history_keeps_the_newest_of_each_issuer() -> None:
    history = CanaryHistory(kept=2)
    assert history.last(DEMO) is None
    runs = [CanaryRun(datetime.now(UTC), one, None, "") for one in range(3)]
    for one in runs:
        history.add(DEMO, one)
    assert history.runs(DEMO) == tuple(runs[1:])
    assert history.last(DEMO) == runs[2]
    assert history.issuers() == (DEMO,)
    assert history.runs(IssuerKey("VaultIssuer", "a", "b")) == ()
