"""A controller with a canary, a real Prometheus with the chart's alerts, and runbooks that are followed.

Time is compressed by configuration alone: the canary's period and the values below ``monitoring.rules``.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed.chart import render
from testbed.cluster import REPOSITORY, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.processes import free_port
from testbed.prometheus import Prometheus
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.docs.console import blocks as console_blocks
from tests.integration.support.breakable_link import Link
from tests.integration.support.common import cluster_issuer_with_token, delete_issuer, wait_ready

RUNBOOKS = REPOSITORY / "docs" / "runbooks"
ISSUER = "watched"
SHOWN_DOMAIN = "lab.example.com"
PERIOD, PERIODS, RUN = 3, 3, 3
"""Seconds between two runs of the canary, how many of these are waited, and seconds that a run may take."""
FLAGS = [
    "--issuer-check-period=2",
    "--vault-timeout=2",
    f"--canary=VaultClusterIssuer/{ISSUER}",
    f"--canary-dns-name=canary.{DOMAIN}",
    f"--canary-period={PERIOD}",
    f"--canary-timeout={RUN}",
]
COMPRESSED = {
    "enabled": True,
    "gap": "3s",
    "notReadyFor": "2s",
    "absentFor": "2s",
    "pastRenewalFor": "2s",
    "renewalLoopFor": "2s",
    "rootsLeftOutFor": "2s",
    "twoLeadersFor": "2s",
    "unknownWindow": "5s",
    "canaryPeriods": PERIODS,
    "queueOldest": 5,
    "failures": {"long": "30s", "short": "10s", "slowLong": "30s", "slowShort": "10s"},
    "denials": {"window": "15s", "least": 3},
}


@dataclass(frozen=True, slots=True)
class Watched:
    """All of it. ``vault`` and ``api`` are the controller's links to Vault and to the API server."""

    bed: Testbed
    layout: PkiLayout
    controller: ControllerProcess
    prometheus: Prometheus
    vault: Link
    api: Link
    folder: Path
    followed: set[tuple[str, str]] = field(default_factory=set)

    def issuer(self, name: str, path: str, policy: str, **own: Any) -> None:
        """A Ready issuer beside the canary's."""
        token = setup_token(self.bed.vault, policy)
        issuer = cluster_issuer_with_token(self.bed, name, token, path=path)
        if own:
            issuer["spec"].update(own)
            self.bed.kube.apply(issuer)
        wait_ready(self.bed, name)

    def wait_firing(self, alert_name: str, /, **labels: str) -> dict[str, Any]:
        """Wait until the alert fires with these labels; the alert. Its annotations must be whole."""
        self.prometheus.wait(
            f"{alert_name} fires with {labels}", lambda: bool(self._found(alert_name, labels))
        )
        alert = self._found(alert_name, labels)[0]
        for text in alert["annotations"].values():
            assert text, alert
            assert "{{" not in text, alert
            assert "<error" not in text, alert
        return alert

    def wait_quiet(self, *names: str) -> None:
        """Wait until none of these alerts (of any, without names) fires."""
        self.prometheus.wait(f"{names or 'every alert'} ends", lambda: not self._firing(names))

    def wait_probed(self, times: int) -> None:
        """Wait until the canary went through so many times since the controller started."""
        runs = f"vault_issuer_canary_runs_total{{result='success', name='{ISSUER}'}} >= {times}"
        self.prometheus.wait("the canary goes through", lambda: bool(self.prometheus.query(runs)))

    def _found(self, name: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        return [one for one in self.prometheus.firing(name) if labels.items() <= one["labels"].items()]

    def _firing(self, names: tuple[str, ...]) -> list[str]:
        firing = [
            str(one["labels"]["alertname"]) for one in self.prometheus.alerts() if one["state"] == "firing"
        ]
        return [one for one in firing if not names or one in names]

    def follow(self, alert: str, heading: str, **replaced: str) -> str:
        """Run the console blocks below a heading of the alert's runbook; what they printed."""
        found = commands(alert, heading)
        assert found, f"{alert} has no commands below {heading!r}"
        self.followed.add((alert, heading))
        return "\n".join(self.run(block, replaced, exit_code) for block, exit_code in found)

    def apply_shown(self, alert: str, heading: str) -> None:
        """Apply the objects that a runbook shows."""
        for block in blocks(alert, heading, "yaml"):
            self.bed.kube.apply(list(yaml.safe_load_all(block.replace(SHOWN_DOMAIN, DOMAIN))))

    def run(self, block: str, replaced: Mapping[str, str], exit_code: int = 0) -> str:
        """Run a block as an administrator of the cluster and of Vault; `bao` stands for `vault`."""
        known = {
            "vaultclusterissuer/vault": f"vaultclusterissuer/{ISSUER}",
            "VaultClusterIssuer/vault": f"VaultClusterIssuer/{ISSUER}",
            SHOWN_DOMAIN: DOMAIN,
            "-k config/": f"-k {REPOSITORY / 'config'}/",
        }
        for old, new in {**known, **replaced}.items():
            block = block.replace(old, new)
        vault = f'vault() {{ {shlex.quote(str(self.bed.servers.bao.path))} "$@"; }}'
        keys = {f"KEY_{number}": key for number, key in enumerate(self.bed.vault.unseal_keys, 1)}
        env = {
            **os.environ,
            **keys,
            "PATH": f"{REPOSITORY / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(self.bed.kubeconfig),
            "VAULT_ADDR": self.bed.vault.addr,
            "VAULT_TOKEN": self.bed.vault.token,
            "VAULT_CACERT": str(self.bed.vault.ca_file),
            "HOME": str(self.folder),
        }
        script = f"set -eu -o pipefail\n{vault}\n{block}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == exit_code, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def watching(bed: Testbed, layout: PkiLayout, folder: Path) -> Iterator[Watched]:
    """Start all of it; all is well in the beginning."""
    vault_port, api_port = (_port(url) for url in (bed.vault.addr, bed.server))
    with Link(vault_port) as vault, Link(api_port) as api:
        token = setup_token(bed.vault, layout.policy)
        server = f"https://127.0.0.1:{vault.port}"
        cluster_issuer_with_token(bed, ISSUER, token, server=server)
        env = {"KUBERNETES_SERVICE_PORT": str(api.port)}
        with ControllerProcess(bed, FLAGS, env=env, metrics_port=free_port()) as controller:
            wait_ready(bed, ISSUER)
            targets = {"controller": f"127.0.0.1:{controller.metrics_port}"}
            with Prometheus(folder / "prometheus", targets, rule_groups()) as prometheus:
                yield Watched(bed, layout, controller, prometheus, vault, api, folder)
        delete_issuer(bed, ISSUER)


def _port(url: str) -> int:
    port = urllib.parse.urlsplit(url).port
    assert port is not None
    return port


def rule_groups() -> list[Object]:
    """The chart's alerts with times for a test."""
    objects = render({"monitoring": {"rules": COMPRESSED}})
    (found,) = (one for one in objects if one["kind"] == "PrometheusRule")
    return list(found["spec"]["groups"])


def blocks(alert: str, heading: str, language: str) -> list[str]:
    """The fenced blocks of a language below a heading, up to the next heading of any level."""
    return re.findall(rf"^```{language}\n(.*?)^```", _section(alert, heading), re.MULTILINE | re.DOTALL)


def commands(alert: str, heading: str) -> list[tuple[str, int]]:
    """The console blocks below a heading and the exit code of each, without those that can't run here."""
    found = console_blocks(alert, _section(alert, heading))
    return [("\n".join(step.script for step in one.steps), one.exit_code) for one in found if one.ours]


def _section(alert: str, heading: str) -> str:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _masked(text), re.MULTILINE | re.DOTALL)
    assert match is not None, f"{alert} has no heading {heading!r}"
    return text[match.start(1) : match.end(1)]


def headings(alert: str) -> list[str]:
    """The headings of a runbook that have commands below them which can run here."""
    text = _masked((RUNBOOKS / f"{alert}.md").read_text())
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return [one for one in found if commands(alert, one)]


def _masked(text: str) -> str:
    """The text with its fenced blocks blanked, so that no comment in them is taken for a heading."""
    return re.sub(
        r"^```.*?^```",
        lambda block: re.sub(r"[^\n]", " ", block[0]),
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
