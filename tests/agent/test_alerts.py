"""The agent's alerts, judged by the real promtool: each fires for what it is about, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from testbed.errors import TestbedError
from testbed.prometheus import find_prometheus, promtool

RULES = Path(__file__).resolve().parents[2] / "config" / "agent" / "alerts.yaml"
PREFIX = "vault_issuer_agent"
DAY = 86_400


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
        "written_timestamp_seconds": "0+60x6000",
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
    path.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]})
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
    assert fires(tmp_path, "VaultIssuerAgentSilent", 100, series(written_timestamp_seconds="0+0x6000"))
    assert not fires(tmp_path, "VaultIssuerAgentClockSkew", 100, rows)
    assert fires(tmp_path, "VaultIssuerAgentClockSkew", 100, series(clock_skew_seconds="-600+0x6000"))


def test_failing_hook_fires_after_a_quarter_of_an_hour(tmp_path: Path) -> None:
    rows = [
        {"series": f'{PREFIX}_hook_failures{{consumer="nginx",instance="nas"}}', "values": "0+0x9 1+0x60"}
    ]
    assert not fires(tmp_path, "VaultIssuerAgentHookFailing", 20, rows)
    assert fires(tmp_path, "VaultIssuerAgentHookFailing", 40, rows)
