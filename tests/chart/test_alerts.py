"""The alerts, by `promtool test rules`: two replicas over hours, and at each moment exactly what fires.

Each case shows at once that what is broken is told, and that all other alerts keep quiet.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.chart import CHART, KUBERNETES, render, run_helm
from testbed.cluster import REPOSITORY
from testbed.prometheus import promtool
from tests.chart.alert_cases import CASES, NAMES, NOTHING, Case, healthy
from tests.chart.conftest import Object, of_kind
from tests.unit.docs.pages import blocks, documents, links

PAGE = REPOSITORY / "docs" / "monitoring.md"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"


def rules(**values: Any) -> list[Object]:
    """The alerts and recordings of the chart's PrometheusRule."""
    (found,) = of_kind(render({"monitoring": {"rules": {"enabled": True, **values}}}), "PrometheusRule")
    (group,) = found["spec"]["groups"]
    return list(group["rules"])


@cache
def file() -> str:
    """A rules file for promtool."""
    return yaml.safe_dump({"groups": [{"name": "vault-issuer", "rules": rules()}]})


def alerts(**values: Any) -> list[Object]:
    """The alerts alone."""
    return [one for one in rules(**values) if "alert" in one]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_exactly_these_alerts_fire_when(case: Case, tmp_path: Path) -> None:
    series = healthy() | dict(case.series)
    given = [
        {"series": name, "values": values} for name, values in series.items() if name not in case.missing
    ]
    asked = [
        {
            "expr": 'sum without (alertstate) (ALERTS{alertstate="firing"})',
            "eval_time": f"{minute * 60:.0f}s",
            "exp_samples": [{"labels": labels, "value": 1} for labels in firing],
        }
        for minute, firing in case.expected.items()
    ]
    test = {
        "name": case.name,
        "interval": f"{case.scrape}s",
        "input_series": given,
        "promql_expr_test": asked,
    }
    evaluation = f"{case.evaluation}s"
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": evaluation, "tests": [test]}
    (tmp_path / "rules.yaml").write_text(file())
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(whole))
    promtool("test", "rules", tmp_path / "tests.yaml")


def test_every_alert_fires_in_some_case() -> None:
    firing = [labels for case in CASES for found in case.expected.values() for labels in found]
    assert {re.findall(r'alertname="(\w+)"', labels)[0] for labels in firing} == NAMES
    assert {one["alert"] for one in alerts()} == NAMES
    assert all(found == NOTHING for found in CASES[0].expected.values())


def test_an_alert_says_how_bad_it_is_and_where_its_runbook_is() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert "[[" not in str(alert)
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == NAMES


def test_the_page_has_a_row_for_each_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| ([\w, ]+) \|", PAGE.read_text(), re.MULTILINE)
    told = {name: set(severity.split(", ")) for name, _, severity in rows}
    wanted: dict[str, set[str]] = {}
    for alert in alerts():
        wanted.setdefault(alert["alert"], set()).add(alert["labels"]["severity"])
    assert told == wanted
    assert [name for name, page, _ in rows if name != page] == []


def site_pages() -> set[str]:
    """Where the built site has its pages, as mkdocs names them by its nav."""
    text = (REPOSITORY / "mkdocs.yml").read_text()
    assert "\nuse_directory_urls: false" in text
    return {f"{name}.html" for name in re.findall(r"^ +- [^:\n]+: ([\w/-]+)\.md$", text, re.MULTILINE)}


def test_the_runbooks_address_that_the_page_shows_is_a_page_of_the_site() -> None:
    (shown,) = [one["monitoring"]["rules"] for one in documents(PAGE) if "monitoring" in one]
    base = "https://docs.example.com/vault-issuer/"
    assert shown["runbookURL"].startswith(base)
    for alert in alerts(runbookURL=shown["runbookURL"]):
        assert alert["annotations"]["runbook_url"].removeprefix(base) in site_pages()


def test_the_command_of_the_page_prints_the_rules() -> None:
    (line,) = [
        one
        for block in blocks(PAGE, "console")
        for one in block.replace("\\\n", " ").splitlines()
        if one.startswith("helm ")
    ]
    _, template, release, chart, *options = shlex.split(line)
    words = [template, release, str(REPOSITORY / chart), *options, f"--kube-version={KUBERNETES}"]
    assert yaml.safe_load(run_helm(words))["spec"]["groups"][0]["rules"] == rules()


def test_the_runbooks_links_lead_somewhere() -> None:
    for page in RUNBOOKS.glob("*.md"):
        assert [one for one in links(page) if not (page.parent / one.partition("#")[0]).is_file()] == []


def test_promtool_finds_no_fault_with_other_values(tmp_path: Path) -> None:
    other = {
        "gap": "1s",
        "queueOldest": 0.5,
        "canaryPeriods": 1.5,
        "failures": {"objective": 99.95, "least": 1, "long": "20s", "short": "5s"},
        "denials": {"window": "5s", "least": 1, "factor": 0},
    }
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "other", "rules": rules(**other)}]})
    )
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yaml")


def test_alerts_can_be_left_out_and_labelled() -> None:
    found = alerts(
        disabled=["VaultIssuerDenialsSpike"],
        alertLabels={"team": "pki"},
        runbookURL="https://docs.example.com/{alert}/",
    )
    assert {one["alert"] for one in found} == NAMES - {"VaultIssuerDenialsSpike"}
    assert all(one["labels"]["team"] == "pki" and "severity" in one["labels"] for one in found)
    assert found[0]["annotations"]["runbook_url"] == f"https://docs.example.com/{found[0]['alert']}/"


def test_what_the_values_can_leave_out_are_the_alerts() -> None:
    schema = (CHART / "values.schema.json").read_text()
    (listed,) = re.findall(r'"disabled": \{.*?"enum": \[(.*?)\]', schema, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) == NAMES
