"""Reconciles issuers: one attempt checks, keeps what was found, reports it and plans the next check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from issuer.api.issuers import SpecError
from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.signers import CheckOutdated
from issuer.controller.issuers.status import CheckResult
from issuer.controller.scheduling.checks import CheckFlows, TookLong
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.conditions import ready_of
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import SigningError
from issuer.signing.reasons import SigningIssuerReason
from issuer.telemetry.metrics import Metrics


@dataclass(slots=True, eq=False)
class IssuerReconciler:
    """Handles one issuer at a time, by key.

    `period` is the longest time in seconds between two checks of a healthy issuer; a broken one is checked
    with the queue's backoff.
    """

    stores: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    queue: WorkQueue[IssuerKey]
    flows: CheckFlows
    checker: IssuerChecker
    reporter: IssuerReporter
    metrics: Metrics
    defects: Defects
    period: float

    async def reconcile(self, key: IssuerKey) -> None:
        """Check the issuer of that key and plan its next check."""
        obj = self.stores[key.kind].get(key)
        if obj is None:
            self.queue.forget(key)
            await self.registry.forget(key)
            self.metrics.forget_issuer(*key)
            return
        try:
            result = await self._result(key, obj)
        except (TookLong, CheckOutdated):
            self.queue.add(key)
            return
        current = self.stores[key.kind].get(key)
        if current is None or not _same_version(current, obj):
            self.queue.add(key)  # it changed meanwhile: this result is about another issuer
            return
        if ready_of(current).get("reason") != ready_of(obj).get("reason"):
            self.queue.add(key)  # who wrote that is looked at before it is written over
            return
        self._remember(key, result)
        if not await self.reporter.report(key, current, result):
            self.queue.retry(key)
            return
        if self.reporter.writes_status():
            self.registry.status_written(key, result.reason)
        self._plan(key, result)

    async def _result(self, key: IssuerKey, obj: dict[str, Any]) -> CheckResult:
        try:
            return await self.flows.bounded(key, self.checker.check(key, obj))
        except (TookLong, CheckOutdated):
            raise
        except SpecError as error:
            return CheckResult(False, SigningIssuerReason.INVALID_SPEC, str(error))
        except SigningError as error:
            return self.checker.failed(key, error)
        except Exception as error:  # noqa: BLE001 - reported on the issuer, and tried again with backoff
            return CheckResult(
                False, ControllerIssuerReason.INTERNAL_ERROR, self.defects.note("issuers", key, error)
            )

    def _remember(self, key: IssuerKey, result: CheckResult) -> None:
        ca_ends = None
        if result.ca is not None:
            ends = (life.ends for life in self.registry.entry(key).current_ca_validity.values())
            ca_ends = min(ends, default=result.ca.not_after).timestamp()
        self.metrics.issuers.checked(key, ready=result.ready, ca_ends=ca_ends)
        if result.ready:
            self.registry.mark_ready(key)
        else:
            self.registry.mark_broken(key, result.reason, result.message)
            self.registry.let_one_try(key)

    def _plan(self, key: IssuerKey, result: CheckResult) -> None:
        if not result.ready:
            self.queue.retry(key)
            if result.again_in is not None:
                self.queue.add_after(key, result.again_in)
            return
        if not self.registry.entry(key).half_open:
            self.queue.forget(key)
        again = self.period if result.again_in is None else min(self.period, result.again_in)
        self.queue.add_after(key, max(again, 0.5))


def _same_version(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one["metadata"][name] == other["metadata"][name] for name in ("uid", "generation"))
