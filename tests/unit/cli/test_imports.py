"""Commands load what they use: a prompt and a CI job pay for each module."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.scripts import run_script

HEAVY = (
    "issuer.controller",
    "issuer.statuspage",
    "hvac",
    "prometheus_client",
    "aiohttp.web",
    "opentelemetry",
)
"""Modules of the controller's own servers, Vault client and metrics."""

COMMANDS = {
    "status": (
        "issuer.cli.cluster.status",
        "issuer.inspection.overview.summary",
        "issuer.inspection.overview.tables",
    ),
    "inspect": (
        "issuer.cli.cluster.inspect",
        "issuer.inspection.request.report",
        "issuer.inspection.request.tables",
    ),
    "explain": (
        "issuer.cli.cluster.inspect",
        "issuer.inspection.request.diagnosis",
        "issuer.inspection.overview.leases",
    ),
    "completion": ("issuer.cli.completing", "issuer.inspection.target", "issuer.manifests.cluster"),
    "policy": (
        "issuer.cli.cluster.policy",
        "issuer.explain.cluster",
        "issuer.explain.cases",
        "issuer.explain.lint.linting",
    ),
    "migrate": ("issuer.cli.cluster.migrate", "issuer.migrate.read.cluster", "issuer.migrate.steps.assemble"),
    "crds": ("issuer.cli.cluster.crds", "issuer.api.crd"),
    "ready": ("issuer.cli.cluster.ready", "issuer.kube.client", "issuer.signing.backends"),
}
"""Commands that only look, with the modules that they load when they run."""

AGENT = (
    "issuer.cli.agent.commands",
    "issuer.agent.config.reading",
    "issuer.agent.process.running",
    "issuer.agent.reporting.metrics",
    "issuer.agent.reporting.listening",
    "issuer.telemetry.logs",
)
NOT_FOR_MACHINES = (
    *("issuer.api", "issuer.controller", "issuer.inspection", "issuer.kube", "issuer.pki", "issuer.policy"),
    *("issuer.requests", "issuer.signing", "issuer.statuspage", "issuer.terminal"),
    *(
        "aiohttp.web",
        "boto3",
        "cel_expr_python",
        "jinja2",
        "kubernetes",
        "opentelemetry",
        "prometheus_client",
    ),
)
"""Modules that an agent, which is there all the time on a small machine, must not load."""

SCRIPT = """
import importlib, ssl, sys

def read(self, *args, **words):
    raise SystemExit(f"{name} reads CA certificates")

ssl.SSLContext.set_default_verify_paths = ssl.SSLContext.load_verify_locations = read
for name in ("issuer.cli.main", *sys.argv[1].split()):
    importlib.import_module(name)
    for heavy in sys.argv[2].split():
        if heavy in sys.modules:
            print(name, "loads", heavy)
"""


def found(*modules: str, heavy: tuple[str, ...] = HEAVY) -> list[str]:
    """Import `modules` one after the other in a fresh process; return what of `heavy` each finds loaded.

    None may read CA certificates: they are read for the first connection.
    """
    words = [" ".join(modules), " ".join(heavy)]
    done = run_script(SCRIPT, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_commands_that_only_look_load_neither_the_controller_nor_a_vault_client() -> None:
    assert found(*(module for modules in COMMANDS.values() for module in modules)) == []


def test_agent_loads_nothing_of_kubernetes_and_no_server_of_the_controller() -> None:
    loaded = found(*AGENT, heavy=(*NOT_FOR_MACHINES, "aiohttp"))
    assert "issuer.agent.process.running loads aiohttp" in loaded
    assert [line for line in loaded if not line.endswith(" aiohttp")] == []


CLIENT_OF_REQUESTS = ("requests", "urllib3", "charset_normalizer")


@pytest.fixture(scope="module")
def of_processes() -> Sequence[str]:
    """What the controller, and then an agent, finds loaded."""
    modules = ("issuer.controller.process.run", "issuer.signing.vault.opening.connector", *AGENT)
    return found(*modules, heavy=(*HEAVY, *CLIENT_OF_REQUESTS, "aiohttp"))


def test_neither_the_controller_nor_an_agent_loads_the_client_of_requests(
    of_processes: Sequence[str],
) -> None:
    """hvac brings it, and what it finds character sets with: 55 ms of the start, and memory of each pod."""
    assert [line for line in of_processes if line.endswith(CLIENT_OF_REQUESTS)] == []


def test_nothing_that_makes_traces_is_loaded_before_it_is_asked_for(of_processes: Sequence[str]) -> None:
    assert [line for line in of_processes if line.endswith("opentelemetry")] == []


def test_the_controllers_parts_are_found_where_they_are_loaded(of_processes: Sequence[str]) -> None:
    assert "issuer.controller.process.run loads prometheus_client" in of_processes
    assert "issuer.controller.process.run loads aiohttp" in of_processes
    assert not any(line.startswith("issuer.cli.main") for line in of_processes)


@pytest.fixture(scope="module")
def end() -> Mapping[str, Any]:
    """What a process has when it ends: `agent check` of a file that isn't there."""
    script = (
        "import atexit, gc, json, sys\n"
        "def tell():\n"
        "    print(json.dumps({'modules': list(sys.modules), 'frozen': gc.get_freeze_count()}))\n"
        "atexit.register(tell)\n"
        "from issuer.cli.main import main\n"
        "sys.argv = ['vault-issuer', 'agent', 'check', '--config', '/nonexistent/agent.yaml']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "/nonexistent/agent.yaml" in done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_logs_do_not_bring_rich(end: Mapping[str, Any]) -> None:
    assert "structlog" in end["modules"]
    assert "rich" not in end["modules"]


def test_a_command_looks_for_no_garbage_before_it_ends(end: Mapping[str, Any]) -> None:
    assert end["frozen"] > 10_000
