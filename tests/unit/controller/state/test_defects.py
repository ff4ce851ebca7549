"""An error that nobody expected is told on the object, tried again, counted, and logged within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.controller.approval import policies
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.scheduling import workers
from issuer.controller.state.defects import Defects
from issuer.kube.queues.workqueue import WorkQueue
from issuer.telemetry.metrics import Metrics
from tests.unit.controller.bench import KEY, Bench


def errors(metrics: Metrics, queue: str) -> float:
    """How often a worker met one."""
    return metrics.registry.get_sample_value("vault_issuer_worker_errors_total", {"queue": queue}) or 0.0


def test_a_thousand_of_a_kind_are_ten_lines_and_one_traceback() -> None:
    metrics = Metrics()
    defects = Defects(metrics)
    with capture_logs() as lines:
        for number in range(1_000):
            defects.note("requests", number, ValueError("x" * 100_000))
    assert [one["times"] for one in lines] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert sum(one["exc_info"] is not None for one in lines) == 1
    assert all(len(one["error"]) <= 300 for one in lines)
    assert errors(metrics, "requests") == 1_000


def test_the_message_names_the_place_and_nothing_of_the_input() -> None:
    defects = Defects(Metrics())
    with pytest.raises(KeyError) as caught:
        policies._version({"metadata": {"secret-name": 3}})
    told = defects.note("policies", "p", caught.value)
    assert "KeyError in issuer.controller.approval.policies, line" in told
    assert "uid" not in told


async def test_a_request_waits_with_the_reason_and_is_tried_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(RuntimeError("hvs.not-to-be-told"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (bench.ready["status"], bench.ready["reason"]) == ("False", "Pending")
    assert bench.ready["message"].startswith("InternalError: ")
    assert "hvs." not in bench.ready["message"]
    assert (bench.queue.failures(KEY), bench.queue.delayed) == (1, 1)
    assert errors(bench.metrics, "requests") == 1
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["status"] == "True"


def test_a_policy_that_breaks_its_compiler_allows_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compile_policy(_name: str, _spec: Any) -> None:
        raise RecursionError

    monkeypatch.setattr(policies, "compile_policy", compile_policy)
    told: list[str] = []
    store = PolicyStore(told.append, lambda _name, _error: "told")
    store.upsert({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": {}})
    assert (store.policies, store.problem("p"), store.reason("p")) == ([], "told", "InternalError")
    assert told == ["p"]


async def test_a_worker_goes_on_after_what_a_reconciler_let_through() -> None:
    metrics = Metrics()
    queue: WorkQueue[str] = WorkQueue(first=0.001)
    calls: list[str] = []
    done = asyncio.Event()

    async def reconcile(key: str) -> None:
        calls.append(key)
        if len(calls) < 3:
            raise KeyError(key)
        done.set()

    tasks = workers.start("issuers", 1, queue, reconcile, Defects(metrics))
    queue.add("a")
    await done.wait()
    queue.close()
    await asyncio.gather(*tasks)
    assert calls == ["a"] * 3
    assert errors(metrics, "issuers") == 2
