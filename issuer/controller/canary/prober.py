"""Runs every canary on its period, in the replica that leads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from issuer.controller.canary.history import CanaryHistory, CanaryRun, Stage
from issuer.controller.canary.probe import Probe, sweep
from issuer.controller.canary.request import CONTROLLER
from issuer.controller.canary.target import CanaryTarget
from issuer.controller.state.defects import Defects
from issuer.controller.state.reasons import ControllerRetry
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.requests.reason_message import with_reason
from issuer.telemetry.canary_metrics import CanaryMetrics

log = structlog.get_logger(__name__)

_LOOK: Final = 1.0
"""Seconds between two looks at whether this replica leads, while it doesn't."""


class Prober:
    """Probes each target every `period` seconds while `leads` says yes; `now` has a time zone."""

    def __init__(
        self,
        client: KubeClient,
        targets: Sequence[CanaryTarget],
        period: float,
        history: CanaryHistory,
        metrics: CanaryMetrics,
        leads: Callable[[], bool],
        defects: Defects,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._targets = tuple(targets)
        self._period = period
        self._history = history
        self._metrics = metrics
        self._leads = leads
        self._defects = defects
        self._now = now

    def start(self) -> asyncio.Task[None]:
        """`run` as a task; nobody awaits it, so it logs by itself when it ends by a defect."""
        task = asyncio.create_task(self.run(), name="canaries")
        task.add_done_callback(_log_if_broken)
        return task

    async def run(self) -> None:
        """Until cancelled; requests of runs under way are deleted then."""
        async with asyncio.TaskGroup() as group:
            for number, target in enumerate(self._targets):
                # One after the other, so that many canaries don't ask at once.
                pause = number * min(1.0, self._period / len(self._targets))
                group.create_task(self._keep_probing(target, pause), name=f"canary-{number}")

    async def _keep_probing(self, target: CanaryTarget, pause: float) -> None:
        await asyncio.sleep(pause)
        begun = swept = False
        while True:
            if not self._leads():
                await asyncio.sleep(_LOOK)
                continue
            began = time.monotonic()
            if not begun:
                self._metrics.begin(target.issuer)
                begun = True
            swept = swept or await self._sweep(target)
            run = await self._probe(target)
            swept = swept and run.ok  # a run that broke may have left its request behind
            await asyncio.sleep(max(0.0, self._period - (time.monotonic() - began)))

    async def _sweep(self, target: CanaryTarget) -> bool:
        """Delete what earlier runs and processes left behind; False when that has to be tried again."""
        try:
            swept = await sweep(self._client, target)
        except KubeError as error:
            log.warning("canary's leftovers not deleted", issuer=str(target.issuer), error=str(error))
            return False
        except Exception as error:  # noqa: BLE001 - a defect must not end the canary
            self._defects.note("canaries", target.issuer, error)
            return False
        if swept:
            log.info("canary's leftovers deleted", issuer=str(target.issuer), requests=swept)
        return True

    async def _probe(self, target: CanaryTarget) -> CanaryRun:
        started, began = self._now(), time.monotonic()
        try:
            run = await Probe(self._client, target, CONTROLLER, now=self._now).run()
        except Exception as error:  # noqa: BLE001 - a defect must neither end the canary nor look like health
            message = self._defects.note("canaries", target.issuer, error)
            run = CanaryRun(
                started,
                time.monotonic() - began,
                Stage.CONTROLLER,
                with_reason(ControllerRetry.INTERNAL_ERROR, message),
            )
        self._remember(target, run)
        return run

    def _remember(self, target: CanaryTarget, run: CanaryRun) -> None:
        last = self._history.last(target.issuer)
        self._history.add(target.issuer, run)
        ended = run.started + timedelta(seconds=run.seconds)
        self._metrics.record(target.issuer, ended, run.seconds, run.stage, run.not_after)
        write = (
            log.warning if run.stage is not None else log.info if last is None or not last.ok else log.debug
        )
        write(
            "canary",
            issuer=str(target.issuer),
            broken=run.stage.value if run.stage is not None else None,
            seconds=round(run.seconds, 3),
            message=run.message,
        )


def _log_if_broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error(
            "the canaries stopped because of a defect: restart the controller, and file a bug",
            exc_info=error,
        )
