"""Maintenance windows in the status and the metrics: open, closed, and waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from issuer.agent.process.records import SetRecord
from issuer.agent.renewal.looks import KeptCertificate
from issuer.agent.reporting.metrics import metrics_text
from issuer.agent.reporting.report import SetStatus

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KEPT = KeptCertificate("web", "aa", NOW - 8 * DAY, NOW + 2 * DAY, NOW + DAY / 2)


def status(is_open: bool | None, waits: bool) -> SetStatus:
    kept = replace(KEPT, window_open=is_open, waits=waits)
    return SetStatus("web", "/etc/tls/web", kept, SetRecord("web"))


@pytest.mark.parametrize(
    ("is_open", "waits", "state", "window"),
    [
        (None, False, "Fresh", None),
        (True, False, "Fresh", "open"),
        (False, True, "Waiting", "closed"),
        (True, True, "Waiting", "open"),  # its own place in the window is later
    ],
)
def test_window(is_open: bool | None, waits: bool, state: str, window: str | None) -> None:
    found = status(is_open, waits)
    assert found.state(NOW) == state
    shown = found.to_json(NOW)
    assert (shown["window"], shown["waitsForWindow"]) == (window, waits)
    text = metrics_text([found], [], NOW)
    for name, value in (("open", is_open), ("waiting", waits)):
        line = f'vault_issuer_agent_window_{name}{{name="web"}} {int(value or False)}\n'
        assert (line in text) is (is_open is not None)
