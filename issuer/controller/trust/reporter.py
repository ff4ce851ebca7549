"""Writes the condition TrustDistributed of an issuer, and an event where it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from issuer.api.trust import TRUST_DISTRIBUTED
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.trust.reasons import TrustReason
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.wire import Object
from issuer.requests.conditions import find, says, with_condition
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Backends

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """Content of the condition."""

    distributed: bool
    reason: TrustReason
    message: str


@dataclass(slots=True, eq=False)
class TrustReporter:
    """Writes what was found of an issuer's trust."""

    client: KubeClient
    stores: Mapping[str, IssuerStore]
    backends: Backends
    recorder: EventRecorder
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def report(self, key: IssuerKey, obj: Object, finding: Finding) -> bool:
        """Write the condition if it says something new; False when it should be tried again."""
        status = obj.get("status") or {}
        old = find(status.get("conditions"), TRUST_DISTRIBUTED)
        conditions = with_condition(
            status.get("conditions"),
            TRUST_DISTRIBUTED,
            finding.distributed,
            finding.reason,
            finding.message,
            self.now(),
            obj["metadata"]["generation"] if self.backends.of(key.kind).keeps_generation else None,
        )
        wanted = find(conditions, TRUST_DISTRIBUTED) or {}
        if says(status.get("conditions"), wanted):
            return True
        new = {**obj, "status": {**status, "conditions": conditions}}
        if not await self._written(key, new):
            return False
        if old is None or (old.get("status"), old.get("reason")) != (wanted["status"], finding.reason):
            write, record = (
                (log.warning, self.recorder.warning)
                if finding.reason.is_trouble
                else (log.info, self.recorder.normal)
            )
            write("trust", issuer=str(key), reason=finding.reason, message=finding.message)
            record(new, finding.reason, finding.message)
        return True

    async def clear(self, key: IssuerKey, obj: Object) -> bool:
        """Take the condition away; False when it should be tried again."""
        status = obj.get("status") or {}
        conditions = status.get("conditions") or []
        kept = [one for one in conditions if one.get("type") != TRUST_DISTRIBUTED]
        if len(kept) == len(conditions):
            return True
        return await self._written(key, {**obj, "status": {**status, "conditions": kept}})

    async def _written(self, key: IssuerKey, new: Object) -> bool:
        try:
            written = await self.client.replace_status(self.backends.kinds[key.kind].resource, new)
        except NotFound:
            return True
        except KubeError as error:
            log.info("condition of trust not written yet", issuer=str(key), error=str(error))
            return False
        self.stores[key.kind].refresh(written)
        return True
