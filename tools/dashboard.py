"""Writes charts/vault-issuer/files/dashboard.json from tools/panels.py; `make manifests` runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from testbed.chart import CHART
from tools.panels import OURS, ROWS, Panel

FILE = CHART / "files" / "dashboard.json"
COLUMNS, LOW, HIGH = 24, 4, 7
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def text() -> str:
    """The dashboard as Grafana reads it."""
    return json.dumps(dashboard(), indent=1) + "\n"


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON model, https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/."""
    return {
        "uid": "vault-issuer",
        "title": "vault-issuer",
        "tags": ["cert-manager", "vault", "pki"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": _variables()},
        "panels": list(_panels()),
    }


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    wanted = (
        ("namespace", "Namespace", "vault_issuer_build_info", "namespace"),
        ("job", "Job", 'vault_issuer_build_info{namespace=~"$namespace"}', "job"),
        ("issuer", "Issuer", f"vault_issuer_issuer_ready{{{OURS}}}", "name"),
        ("machine", "Machine", "vault_issuer_agent_written_timestamp_seconds", "instance"),
    )
    return [source, *(_variable(*one) for one in wanted)]


def _variable(name: str, label: str, metric: str, values: str) -> dict[str, Any]:
    query = f"label_values({metric}, {values})"
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels() -> Iterator[dict[str, Any]]:
    numbers, top = count(1), 0
    for row in ROWS:
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }
        top, left = top + 1, 0
        height = LOW if all(one.kind == "stat" for one in row.panels) else HIGH
        for one in row.panels:
            if left + one.width > COLUMNS:
                top, left = top + height, 0
            yield _panel(next(numbers), one, {"x": left, "y": top, "w": one.width, "h": height})
            left += one.width
        top += height


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps = [{"value": value, "color": colour} for value, colour in panel.steps]
    now = panel.kind in ("stat", "bargauge")
    made: dict[str, Any] = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "expr": query,
                "legendFormat": legend or "__auto",
                "instant": now,
                "range": not now,
            }
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": None if panel.unit == "s" else 0,
                "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": _options(panel.kind),
    }
    return made | ({"description": panel.about} if panel.about else {})


def _options(kind: str) -> dict[str, Any]:
    match kind:
        case "stat":
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto", "colorMode": "value"}
        case "bargauge":
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal"}
        case "state-timeline":
            return {"showValue": "never", "mergeValues": True, "legend": {"showLegend": False}}
        case _:
            return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
