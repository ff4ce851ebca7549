"""The dashboard is what tools/panels.py says, in its place, and asks only for metrics that there are."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest

from issuer.agent.reporting.metrics import AGENT_METRICS
from issuer.telemetry.catalogue.whole import CATALOGUE
from testbed.chart import CHART
from testbed.cluster import REPOSITORY
from tools.dashboard import COLUMNS, FILE, dashboard, text
from tools.panels import ROWS


def known() -> set[str]:
    """The names of all series of ours."""
    histograms = {f"{one.name}_{end}" for one in CATALOGUE for end in ("bucket", "count", "sum")}
    return histograms | {one.name for one in (*CATALOGUE, *AGENT_METRICS)}


def asked(query: str) -> set[str]:
    """The metrics of ours that a query reads."""
    return set(re.findall(r"\bvault_issuer_\w+", query))


QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries.values()]
AGENT_ALERTS = (REPOSITORY / "config" / "agent" / "alerts.yaml").read_text()
ALERTS = (CHART / "files" / "alerts.yaml").read_text()


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == text(), "run `make manifests`"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_metrics_that_there_are(query: str) -> None:
    assert asked(query) | set(re.findall(r"\bprocess_\w+", query))
    assert asked(query) <= known()


def test_alerts_ask_for_metrics_that_there_are() -> None:
    assert len(asked(ALERTS)) > 8
    assert asked(ALERTS) <= known()
    assert len(asked(AGENT_ALERTS)) > 4
    assert asked(AGENT_ALERTS) <= {one.name for one in AGENT_METRICS}


def test_every_metric_of_the_agent_has_a_panel() -> None:
    assert {one.name for one in AGENT_METRICS} <= set().union(*map(asked, QUERIES))


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    places = [one["gridPos"] for one in dashboard()["panels"]]
    assert all(one["x"] >= 0 and one["x"] + one["w"] <= COLUMNS for one in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two places have a cell in common."""
    return all(
        one[start] < other[start] + other[length] and other[start] < one[start] + one[length]
        for start, length in (("x", "w"), ("y", "h"))
    )


def test_every_variable_that_a_query_uses_is_one() -> None:
    names = {one["name"] for one in dashboard()["templating"]["list"]}
    used = {name for query in QUERIES for name in re.findall(r"\$(\w+)", query)}
    assert used - {"__rate_interval"} <= names
    assert {"datasource", "namespace", "job"} <= names
