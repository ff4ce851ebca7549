"""The agent's alerts, judged by the real promtool: each fires for what it is about, and not before.

Its rows of the dashboard are asked of a real Prometheus, which an agent at work answers.
"""

from __future__ import annotations

import getpass
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from testbed.errors import TestbedError
from testbed.processes import LOOPBACK, free_port
from testbed.prometheus import Prometheus, find_prometheus, promtool
from tests.agent.support import Machine
from tools.panels import AGENTS, LIVES

RULES = Path(__file__).resolve().parents[2] / "config" / "agent" / "alerts.yaml"
PREFIX = "vault_issuer_agent"
DAY = 86_400
LONG = 1_000  # minutes after which rules are evaluated every ten: four days of each minute took seconds


@pytest.fixture(autouse=True)
def _needs_promtool() -> None:
    try:
        find_prometheus()
    except TestbedError as error:
        pytest.skip(str(error))


def series(**values: str) -> list[dict[str, str]]:
    """A certificate of 4 days that is renewed after 3, unless told otherwise."""
    usual = {
        "certificate_not_before_timestamp_seconds": "0+0x6000",
        "certificate_renewal_timestamp_seconds": f"{3 * DAY}+0x6000",
        "certificate_not_after_timestamp_seconds": f"{4 * DAY}+0x6000",
        "last_look_timestamp_seconds": "0+60x6000",
        "clock_skew_seconds": "0+0x6000",
    }
    return [
        {"series": f'{PREFIX}_{name}{{name="web",instance="nas"}}', "values": value}
        for name, value in (usual | values).items()
    ]


def fires(folder: Path, alert: str, minutes: float, rows: list[dict[str, str]]) -> bool:
    """Whether an alert fires after so many minutes."""
    rules = yaml.safe_load(RULES.read_text())
    assert alert in [one["alert"] for one in rules["groups"][0]["rules"]]
    case = {
        "interval": "1m",
        "input_series": rows,
        "alert_rule_test": [{"eval_time": f"{minutes:.0f}m", "alertname": alert, "exp_alerts": []}],
    }
    path = folder / "test.yaml"
    every = "10m" if minutes > LONG else "1m"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": [case]})
    )
    try:
        promtool("test", "rules", path)
    except TestbedError as error:
        said = str(error)
    else:
        return False
    assert f"alertname: {alert}" in said, said
    return True


def test_rules_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "rules", RULES)


def test_each_fires_in_its_time(tmp_path: Path) -> None:
    day = DAY / 60
    rows = series()
    assert not fires(tmp_path, "VaultIssuerAgentRenewalOverdue", 3.4 * day, rows)
    assert fires(tmp_path, "VaultIssuerAgentRenewalOverdue", 3.6 * day, rows)
    assert not fires(tmp_path, "VaultIssuerAgentCertificateExpires", 3.5 * day, rows)
    assert fires(tmp_path, "VaultIssuerAgentCertificateExpires", 3.7 * day, rows)
    assert not fires(tmp_path, "VaultIssuerAgentSilent", 100, rows)
    for silent in ("0+0x6000", "0+60x60 _x6000"):  # it stands still, or nobody answers any more
        assert fires(tmp_path, "VaultIssuerAgentSilent", 100, series(last_look_timestamp_seconds=silent))
    assert not fires(tmp_path, "VaultIssuerAgentClockSkew", 100, rows)
    assert fires(tmp_path, "VaultIssuerAgentClockSkew", 100, series(clock_skew_seconds="-600+0x6000"))


def test_failing_hook_fires_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    rows = [
        {"series": f'{PREFIX}_hook_failures{{consumer="nginx",instance="nas"}}', "values": "0+0x9 1+0x60"}
    ]
    assert not fires(tmp_path, "VaultIssuerAgentHookFailing", 20, rows)
    assert fires(tmp_path, "VaultIssuerAgentHookFailing", 40, rows)


def test_each_query_of_the_dashboard_finds_data_of_an_agent_at_work(machine: Machine) -> None:
    consumer = {"name": "server", "sets": ["web"], "user": getpass.getuser(), "command": ["/bin/true"]}
    machine.data["consumers"] = [consumer]
    machine.data["certificates"][0]["renewal"] = {"windows": [{"from": "00:00", "to": "00:00"}]}
    machine.once()
    address = f"{LOOPBACK}:{free_port()}"
    words = [str(Path(sys.executable).parent / "vault-issuer"), "agent", "run", "--metrics", address]
    process = subprocess.Popen([*words, "-c", str(machine.folder / "agent.yaml")])
    queries = [
        query.replace("$machine", "na.*")
        for row in (AGENTS, LIVES)
        for one in row
        for query in one.queries.values()
    ]
    try:
        with Prometheus(machine.folder / "prometheus", {"nas": address}) as prometheus:

            def unanswered() -> list[str]:
                return [
                    query
                    for query in queries
                    if not [one for one in prometheus.query(query) if not math.isnan(float(one["value"][1]))]
                ]

            prometheus.wait("all queries find data", lambda: not unanswered())
            assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(60) == 0
