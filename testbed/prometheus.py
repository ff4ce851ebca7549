"""The real Prometheus and promtool: Debian's package, taken apart into the cache where none is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.debian import taken_apart
from testbed.errors import TestbedError
from testbed.processes import LOOPBACK, Process, free_port, retry_ports

PACKAGE = "prometheus"
JOB = "vault-issuer"
INTERVAL = 1
"""Seconds between two scrapes, and between two evaluations of the rules."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The two programs of the package."""

    prometheus: Path
    promtool: Path


def find_prometheus() -> Programs:
    """Those on PATH, or Debian's, fetched once (25 MB, and 10 MB of apt's lists).

    Raises:
        TestbedError: there are none, and this is no Debian or its archive can't be reached.
    """
    installed = shutil.which("prometheus"), shutil.which("promtool")
    if installed[0] and installed[1]:
        return Programs(Path(installed[0]), Path(installed[1]))
    # Without its dependencies, which the programs run without.
    where = taken_apart("Prometheus", (PACKAGE,))
    return Programs(where / "usr/bin/prometheus", where / "usr/bin/promtool")


def promtool(*arguments: str | Path) -> str:
    """What promtool printed; TestbedError when it fails."""
    command = [str(find_prometheus().promtool), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestbedError(f"promtool {' '.join(command[1:3])} failed: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Prometheus:
    """A Prometheus that scrapes and evaluates every second; use it as a context manager.

    Args:
        directory: an empty one for its data, configuration and log.
        targets: ``host:port`` by instance name; they are asked for /metrics.
        groups: rule groups, as in a PrometheusRule's ``spec.groups``.
    """

    def __init__(self, directory: Path, targets: Mapping[str, str], groups: Sequence[Mapping[str, Any]] = ()):
        self._directory = directory
        self._targets = dict(targets)
        self._groups = list(groups)
        self._port = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.process = Process("Prometheus", directory / "prometheus.log")

    def __enter__(self) -> Prometheus:
        self._write()
        retry_ports(self._launch)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def _write(self) -> None:
        (self._directory / "rules.yaml").write_text(yaml.safe_dump({"groups": self._groups}))
        config = {
            "global": dict.fromkeys(
                ("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{INTERVAL}s"
            ),
            "rule_files": [str(self._directory / "rules.yaml")],
            # As a monitor of the chart sets it.
            "scrape_configs": [
                {
                    "job_name": JOB,
                    "honor_labels": True,
                    "static_configs": [
                        {"targets": [target], "labels": {"instance": name}}
                        for name, target in self._targets.items()
                    ],
                }
            ],
        }
        (self._directory / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def _launch(self) -> None:
        self._port = free_port()
        self.process.start(
            [
                find_prometheus().prometheus,
                f"--config.file={self._directory / 'prometheus.yaml'}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self._port}",
                "--log.level=warn",
            ]
        )
        self.process.wait_ready(self._ready)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}/-/ready", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://{LOOPBACK}:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except OSError as error:
            told = error.read().decode() if isinstance(error, urllib.request.HTTPError) else ""
            raise TestbedError(f"Prometheus refused {parameters or path}: {error} {told}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """An instant query's samples: ``metric`` (labels), ``value`` (time, text) or ``values``."""
        return list(self._get("query", query=expression)["result"])

    def alerts(self) -> list[dict[str, Any]]:
        """Every pending and firing alert: ``labels``, ``annotations``, ``state``, ``value``."""
        return list(self._get("alerts")["alerts"])

    def firing(self, name: str) -> list[dict[str, Any]]:
        """The firing alerts of that name."""
        return [
            one for one in self.alerts() if one["labels"]["alertname"] == name and one["state"] == "firing"
        ]

    def wait(self, what: str, holds: Callable[[], bool], timeout: float = 90.0) -> None:
        """Poll until it holds; TestbedError with the alerts of that moment otherwise."""
        deadline = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > deadline:
                raise TestbedError(f"not within {timeout:.0f} s: {what}; alerts: {self.alerts()}")
            time.sleep(0.3)
