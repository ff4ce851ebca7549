"""Writes what a check of an issuer found: status, events and log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from issuer.controller.issuers.status import (
    CheckResult,
    is_transition,
    new_expiry_warnings,
    new_warnings,
    with_result,
)
from issuer.controller.state.reasons import EventReason
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Backends

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class IssuerReporter:
    """Writes the results of checks in the process where `writes_status` returns True."""

    client: KubeClient
    stores: Mapping[str, IssuerStore]
    backends: Backends
    recorder: EventRecorder
    writes_status: Callable[[], bool] = lambda: True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def report(self, key: IssuerKey, obj: dict[str, Any], result: CheckResult) -> bool:
        """Write the status if it would say something new; False when it should be tried again."""
        if not self.writes_status():
            return True
        backend = self.backends.of(key.kind)
        new = with_result(
            obj, result, backend.status_fields, self.now(), keeps_generation=backend.keeps_generation
        )
        if new is None:
            return True
        changed = is_transition(obj, result)
        try:
            written = await self.client.replace_status(self.backends.kinds[key.kind].resource, new)
        except NotFound:
            return True
        except Conflict:
            return False
        except KubeError as error:
            log.warning("issuer status not written", issuer=str(key), error=str(error))
            return False
        self.stores[key.kind].refresh(written)
        for text in new_warnings(obj, result):
            log.warning("issuer warning", issuer=str(key), message=text)
        if changed:
            log.info(
                "issuer", issuer=str(key), ready=result.ready, reason=result.reason, message=result.message
            )
            record = self.recorder.normal if result.ready else self.recorder.warning
            record(new, result.reason, result.message)
        for text in new_expiry_warnings(obj, result):
            self.recorder.warning(new, EventReason.CA_EXPIRES_SOON, text)
        return True
