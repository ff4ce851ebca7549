"""What the canary's runs leave on its issuer."""

from __future__ import annotations

from typing import Any, cast

from issuer.controller.canary.events import CanaryEvents
from issuer.controller.canary.history import CanaryHistory, CanaryRun, Stage
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.events import EventRecorder
from issuer.requests.issuers import IssuerKey
from tests.builders import NOW, issuer_object

KEY = IssuerKey("VaultClusterIssuer", "", "demo")


class Recorder:
    """Keeps what is recorded."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def warning(self, obj: dict[str, Any], reason: str, message: str, *, action: str) -> None:
        assert obj["metadata"]["name"] == "demo"
        self.events.append(("Warning", reason, message))

    def normal(self, obj: dict[str, Any], reason: str, message: str, *, action: str) -> None:
        self.events.append(("Normal", reason, message))


def run(stage: Stage | None) -> CanaryRun:
    return CanaryRun(NOW, 1.0, stage, "it is sealed" if stage else "")


def test_broken_runs_and_the_first_good_one_after_them_are_events_on_the_issuer() -> None:
    store, recorder = IssuerStore(KEY.kind, lambda key: None), Recorder()
    events = CanaryEvents({KEY.kind: store}, cast(EventRecorder, recorder))
    history = CanaryHistory(heard=events.record)
    history.add(KEY, run(None))
    assert recorder.events == [], "the issuer is not known yet"
    store.upsert(issuer_object())
    for stage in (Stage.ISSUER, Stage.ISSUER, None, None):
        history.add(KEY, run(stage))
    broken = ("Warning", "CanaryFailed", "the canary's stage issuer broke: it is sealed")
    assert recorder.events == [broken, broken, ("Normal", "CanaryPassed", "all stages passed")]
