"""Writes and removes ConfigMaps, one namespace at a time, at a bounded pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from issuer.bounded import TokenBucket
from issuer.controller.trust.ledger import Ledger, Target
from issuer.controller.trust.objects import CONFIG_MAPS, ISSUER, content_hash
from issuer.controller.trust.reasons import LeftOut, LeftOutCause
from issuer.controller.trust.repeats import RepeatedWrites
from issuer.controller.trust.steps import Leave, NotOurs, Remove, StayFor, Stuck, Write, replacing
from issuer.kube.client import KubeClient
from issuer.kube.errors import (
    AlreadyExists,
    Conflict,
    KubeError,
    NamespaceTerminating,
    NotFound,
    QuotaExceeded,
)
from issuer.kube.queues.workqueue import WorkQueue

log = structlog.get_logger(__name__)

WRITES_PER_SECOND: Final = 50.0
"""A thousand namespaces take 20 seconds, and leave the API server to others."""
CONFLICTS: Final = 5
"""Writes in a row, over some seconds, that each met a newer copy: that is no accident any more."""
NOT_OURS: Final = LeftOut(
    LeftOutCause.NOT_OURS,
    "there is a ConfigMap of this name that this controller did not make: rename or delete it, or choose "
    "another name in spec.trust",
)
CONTESTED: Final = LeftOut(
    LeftOutCause.CHANGED,
    "somebody changes the ConfigMap again and again, and it is written again every 10 seconds at most: "
    "kubectl get configmap -o yaml --show-managed-fields says who",
)
STUCK: Final = LeftOut(
    LeftOutCause.CHANGED,
    "the ConfigMap is immutable, is being deleted, and a finalizer keeps it: take the finalizer off, and it "
    "is written again",
)


@dataclass(slots=True, eq=False)
class TrustWriter:
    """Handles one target at a time. `on_done` hears of each target whose end is news to its issuer."""

    client: KubeClient
    ledger: Ledger
    queue: WorkQueue[Target]
    leads: Callable[[], bool]
    on_done: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    pace: TokenBucket = field(default_factory=lambda: TokenBucket(WRITES_PER_SECOND, WRITES_PER_SECOND))
    _written: RepeatedWrites[Target] = field(init=False)
    _removed: RepeatedWrites[Target] = field(init=False)

    def __post_init__(self) -> None:
        self._written, self._removed = RepeatedWrites(self.clock), RepeatedWrites(self.clock)

    async def reconcile(self, target: Target) -> None:
        """Bring the ConfigMap of one namespace to what it should be."""
        step = self.ledger.step(target) if self.leads() else Leave()
        if isinstance(step, NotOurs | Stuck):
            self._failed(target, NOT_OURS if isinstance(step, NotOurs) else STUCK)
            return
        if isinstance(step, StayFor):
            self.queue.add_after(target, step.seconds)
        elif not isinstance(step, Leave):
            rest = self._rest(target, step)
            if rest > 0:
                self.queue.add_after(target, rest)
                self._failed(target, CONTESTED)  # it must not keep the issuer's condition waiting
                return
            try:
                await self._carry_out(target, step)
            except (NamespaceTerminating, NotFound):
                pass  # nothing can be there, or it is gone already
            except (AlreadyExists, Conflict):
                self.queue.retry(target)  # the watch shows in a moment what is there
                if self.queue.failures(target) >= CONFLICTS:
                    self._done(step).note(target, _content(step))  # it counts as a write, so that it rests
                    self._failed(target, CONTESTED)
                return
            except KubeError as error:
                self._failed(target, _refusal(error))
                self.queue.retry(target, error.retry_after)
                return
        self.queue.forget(target)
        self._end(target, self._unrest(target))

    async def _carry_out(self, target: Target, step: Write | Remove) -> None:
        wait = self.pace.wait()
        self.pace.spend()
        await asyncio.sleep(wait)
        if isinstance(step, Remove):
            await self.client.delete(
                CONFIG_MAPS, target.name, target.namespace, uid=step.found.uid, version=step.found.version
            )
            self._done(step).note(target, _content(step))
            if not step.to_write_anew:
                self._written.forget(target)
            log.debug("roots removed", config_map=target.name, namespace=target.namespace)
            return
        if step.over is None:
            written = await self.client.create(CONFIG_MAPS, step.body, target.namespace)
        else:
            written = await self.client.replace(CONFIG_MAPS, replacing(step.over, step.body))
        self._done(step).note(target, _content(step))
        self.ledger.stores[target.name].upsert(written)
        log.debug("roots written", config_map=target.name, namespace=target.namespace)

    def _rest(self, target: Target, step: Write | Remove) -> float:
        """Return the seconds to wait before the same is written, or removed, there again."""
        return self._done(step).rest(target, _content(step))

    def _done(self, step: Write | Remove) -> RepeatedWrites[Target]:
        return self._written if isinstance(step, Write) else self._removed

    def _unrest(self, target: Target) -> LeftOut | None:
        """Return `CONTESTED` until what is changed again and again was left alone for `PEACE`, then None."""
        left = self._written.unrest(target)
        if not left:
            return None
        self.queue.add_after(target, left)
        return CONTESTED

    def _failed(self, target: Target, trouble: LeftOut) -> None:
        if self.ledger.trouble(target.name).get(target.namespace) != trouble:
            log.warning(
                "roots not written",
                config_map=target.name,
                namespace=target.namespace,
                message=trouble.message,
            )
        self._end(target, trouble)

    def _end(self, target: Target, trouble: LeftOut | None = None) -> None:
        if self.ledger.done(target, trouble):
            self.on_done(target.name)


def _refusal(error: KubeError) -> LeftOut:
    cause = LeftOutCause.QUOTA if isinstance(error, QuotaExceeded) else LeftOutCause.REFUSED
    return LeftOut(cause, error.message)


def _content(step: Write | Remove) -> str:
    if isinstance(step, Remove):
        return ""
    return f"{step.body['metadata']['annotations'][ISSUER]} {content_hash(step.body)}"
