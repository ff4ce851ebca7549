"""Events on an issuer about its canary, which `kubectl describe` and `vault-issuer status` show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.controller.canary.history import CanaryRun
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.events import EventRecorder
from issuer.requests.issuers import IssuerKey
from issuer.requests.reasons import CanaryReason

_ACTION = "Probe"


@dataclass(slots=True, eq=False)
class CanaryEvents:
    """Records each run that broke, and the first that passes after one, or after the start of a process."""

    stores: Mapping[str, IssuerStore]
    recorder: EventRecorder

    def record(self, key: IssuerKey, run: CanaryRun, last: CanaryRun | None) -> None:
        """Record a run; `last` is the one before, None for the first."""
        issuer = self.stores[key.kind].get(key)
        if issuer is None:
            return
        if run.stage is not None:
            text = f"the canary's stage {run.stage} broke: {run.message}"
            self.recorder.warning(issuer, CanaryReason.CANARY_FAILED, text, action=_ACTION)
        elif last is None or not last.ok:
            self.recorder.normal(issuer, CanaryReason.CANARY_PASSED, "all stages passed", action=_ACTION)
