"""Programs are told when their files have changed: real nginx, HAProxy and a server in Python."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from issuer.agent.process import running
from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial
from testbed.errors import TestbedError
from testbed.web_servers import find_web_server
from tests.agent.servers import RunningServer, haproxy, nginx, python_server
from tests.agent.support import Machine
from tests.agent.test_running import at_work, until

Started = Callable[[Path, Path], AbstractContextManager[RunningServer]]


def served(server: RunningServer) -> int:
    """The serial number that a new connection gets."""
    return asyncio.run(dial(parse_endpoint(server.address))).leaf.serial_number


def on_disk(machine: Machine, name: str = "web") -> int:
    return machine.served(name)[0].serial_number


def consumer(machine: Machine, **fields: Any) -> dict[str, Any]:
    """Give the machine one consumer of the set `web`, and return it."""
    patient = {"timeout": "5m", "verifyWithin": "10m"}  # a busy machine is no failure
    made = {"name": "server", "sets": ["web"], "user": getpass.getuser(), **patient, **fields}
    machine.data["consumers"] = [made]
    return made


def state(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = machine.status()["consumers"][0]
    return found


def script(machine: Machine, text: str, name: str = "hook") -> list[str]:
    path = machine.folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


@pytest.fixture
def web(machine: Machine) -> Path:
    """The combined PEM of a first certificate, which servers need to start."""
    machine.once()
    return machine.folder / "web" / "combined.pem"


@pytest.fixture(params=["nginx", "haproxy"])
def real_server(request: pytest.FixtureRequest) -> str:
    """A server's name; skipped where it can't be had."""
    try:
        find_web_server(request.param)
    except TestbedError as error:
        pytest.skip(str(error))
    return str(request.param)


def test_server_is_reloaded_by_signal_and_proved(machine: Machine, web: Path, real_server: str) -> None:
    how: dict[str, Started] = {"nginx": nginx, "haproxy": lambda a, b: haproxy(a, b, master=True)}
    with how[real_server](machine.folder / "server", web) as server:
        consumer(machine, **server.hook(), **server.check())
        assert "server: told" in machine.once().stdout
        old = served(server)
        assert "server: told" in machine.run("renew", "web").stdout
        assert served(server) == on_disk(machine) != old
        assert "told" not in machine.once().stdout
        assert state(machine)["state"] == "Told"


def test_haproxy_takes_certificates_without_a_reload(machine: Machine, web: Path) -> None:
    try:
        find_web_server("haproxy")
    except TestbedError as error:
        pytest.skip(str(error))
    with haproxy(machine.folder / "server", web) as server:
        made = {
            "socket": str(server.folder / "haproxy.sock"),
            "certificates": [{"set": "web", "file": str(web)}],
        }
        consumer(machine, haproxy=made, **server.check())
        assert machine.run("renew", "web").exit_code == 0
        assert served(server) == on_disk(machine)
        assert machine.run("renew", "web").exit_code == 0
        assert served(server) == on_disk(machine)
        assert server.process is not None
        assert server.process.poll() is None
        made["certificates"] = [{"set": "web", "file": "/another.pem"}]
        ran = machine.run("renew", "web")
    assert ran.exit_code == 1
    assert 'HAProxy doesn\'t take the certificate "/another.pem"' in ran.stderr
    server_gone = machine.run("once")
    assert server_gone.exit_code == 1
    assert "start it, or correct socket" in server_gone.stderr


def test_haproxy_takes_all_certificates_or_none(machine: Machine, web: Path) -> None:
    try:
        find_web_server("haproxy")
    except TestbedError as error:
        pytest.skip(str(error))
    machine.data["certificates"].append(machine.certificate("api"))
    machine.once()
    api = machine.folder / "api" / "combined.pem"

    def names() -> list[int]:
        found = (DialOptions(f"{name}.example.com") for name in ("web", "api"))
        return [asyncio.run(dial(parse_endpoint(server.address), one)).leaf.serial_number for one in found]

    with haproxy(machine.folder / "server", web, more=[api]) as server:
        files = [{"set": "web", "file": str(web)}, {"set": "api", "file": str(api)}]
        made = {"socket": str(server.folder / "haproxy.sock"), "certificates": files}
        consumer(machine, sets=["web", "api"], haproxy=made)
        for one in machine.data["certificates"]:
            one["dnsNames"].append("www.example.com")
        assert "server: told" in machine.once().stdout
        assert names() == [on_disk(machine), on_disk(machine, "api")]
        before = names()
        files[1]["file"] = "/another.pem"  # the second is refused: the first isn't put to use
        for one in machine.data["certificates"]:
            one["dnsNames"].append("more.example.com")
        assert machine.run("once").exit_code == 1
        assert names() == before


def test_python_server_swaps_its_context(machine: Machine, web: Path) -> None:
    with python_server(machine.folder / "server", web) as server:
        consumer(machine, **server.hook(), **server.check())
        assert machine.run("renew", "web").exit_code == 0
        assert served(server) == on_disk(machine)


def test_a_server_that_missed_its_signal_gets_another(
    machine: Machine, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.agent.hooks.consumer._SIGNAL_AGAIN", 0.5)
    with python_server(machine.folder / "server", web, missed=1) as server:
        consumer(machine, **server.hook(), **server.check())
        assert "server: told" in machine.run("renew", "web").stdout
        assert served(server) == on_disk(machine)


def test_failed_hook_is_the_agents_failure_and_tried_again(machine: Machine, web: Path) -> None:
    made = consumer(machine, command=script(machine, "echo no such module; exit 2"))
    ran = machine.run("once", "--textfile", str(machine.folder / "m.prom"))
    assert ran.exit_code == 1
    assert 'hook" ended with code 2: no such module' in ran.stderr
    assert machine.run("once").exit_code == 1
    assert machine.run("status").exit_code == 1
    assert state(machine) | {"seconds": 0, "lastHook": ""} == {
        "name": "server",
        "state": "Failed",
        "lastHook": "",
        "lastSuccess": None,
        "seconds": 0,
        "failures": 2,
        "error": state(machine)["error"],
        "warnings": [],
    }
    assert 'vault_issuer_agent_hook_failures{consumer="server"} 1' in (machine.folder / "m.prom").read_text()
    assert "is told that files have changed (web)" in machine.run("plan").stdout
    made["command"] = script(machine, f"echo $VAULT_ISSUER_SETS > {machine.folder}/told")
    assert "server: told" in machine.once().stdout
    assert (machine.folder / "told").read_text() == "web\n"
    assert state(machine)["failures"] == 0
    assert machine.signed() == 1


def test_refused_files_are_taken_back(machine: Machine, web: Path) -> None:
    with python_server(machine.folder / "server", web) as server:
        made = consumer(machine, **server.hook(), **server.check(), verifyWithin="5s")
        machine.once()
        old = on_disk(machine)
        # A server that doesn't read its files again: the old ones stay, and what was signed is revoked.
        del made["signal"]
        made["command"] = script(machine, "true")
        machine.data["certificates"][0]["dnsNames"].append("www.example.com")
        ran = machine.run("once")
        assert ran.exit_code == 1
        assert f"{server.address} still serves serial {old:x}" in ran.stderr
        assert "It has the old files again" in ran.stderr
        assert on_disk(machine) == old == served(server)
        assert state(machine)["state"] == "RolledBack"
        assert len(machine.bao.audited(f"{machine.name}/revoke", "request")) == 1
        # The next run from cron: still a failure, and nothing is signed that would be refused again.
        ran = machine.run("once")
        assert ran.exit_code == 1
        assert "At once: vault-issuer agent renew web" in ran.stderr
        assert machine.signed() == 2
        del made["command"]
        made |= server.hook()
        assert machine.run("renew", "web").exit_code == 0
        assert served(server) == on_disk(machine) != old
        assert state(machine)["state"] == "Told"


def test_new_files_stay_where_the_old_ones_do_not_help(machine: Machine, web: Path) -> None:
    made = consumer(machine, command=script(machine, "true"))
    machine.once()
    old = on_disk(machine)
    made["command"] = script(machine, "exit 1")
    assert machine.run("renew", "web").exit_code == 1
    assert on_disk(machine) != old
    assert state(machine)["state"] == "Failed"
    assert machine.bao.audited(f"{machine.name}/revoke", "request") == []


def test_revoked_files_are_not_gone_back_to(machine: Machine, web: Path) -> None:
    log = machine.folder / "log"
    made = consumer(machine, command=script(machine, "true"))
    machine.once()
    old = machine.status()["serial"]
    machine.bao.write(f"{machine.name}/revoke", {"serial_number": old})
    made["command"] = script(machine, f"echo x >> {log}; [ $(wc -l < {log}) != 1 ]")
    assert machine.run("once").exit_code == 1
    assert machine.status()["serial"] != old
    assert state(machine)["state"] == "Failed"


def test_stopped_server_may_be_left_alone(machine: Machine, web: Path) -> None:
    made = consumer(machine, signal={"pidFile": str(machine.folder / "no.pid"), "exe": "/bin/true"})
    ran = machine.run("once")
    assert ran.exit_code == 1
    assert "start the server" in ran.stderr
    made["mayBeStopped"] = True
    assert "server: not running" in machine.once().stdout
    assert machine.run("status").exit_code == 0


def test_batch_of_sets_is_one_hook(machine: Machine) -> None:
    machine.data["certificates"].append(machine.certificate("api"))
    log = machine.folder / "log"
    consumer(machine, sets=["web", "api"], command=script(machine, f"echo $VAULT_ISSUER_SETS >> {log}"))
    machine.once()
    assert log.read_text() == "web api\n"
    assert machine.run("renew", "api").exit_code == 0
    assert log.read_text() == "web api\napi\n"


def test_unit_is_reloaded_by_a_stand_in_for_systemctl(
    machine: Machine, web: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = machine.folder / "log"
    script(machine, f'echo "$@" >> {log}; [ -e {machine.folder}/active ]', "systemctl")
    monkeypatch.setenv("PATH", f"{machine.folder}:{os.environ['PATH']}")
    consumer(machine, systemd={"unit": "nginx.service", "userUnit": True}, mayBeStopped=True)
    assert "server: not running" in machine.once().stdout
    reload = "--user --no-ask-password reload nginx.service\n"
    asked = "--user --quiet is-{} nginx.service\n"
    assert log.read_text() == asked.format("active") + reload + asked.format("failed")
    (machine.folder / "active").touch()
    assert "server: told" in machine.run("renew", "web").stdout
    assert log.read_text().endswith(f"is-active nginx.service\n{reload}")


async def test_agent_at_work_tells_again_and_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.4)
    log, broken = machine.folder / "log", machine.folder / "broken"
    machine.data["certificates"][0]["ttl"] = "4s"
    broken.touch()
    consumer(machine, command=script(machine, f"[ ! -e {broken} ] && echo told >> {log}"))
    async with at_work(machine):
        records = machine.folder / "state" / "consumers" / "server.json"
        await until(lambda: records.exists() and json.loads(records.read_text())["failures"] >= 2)
        broken.unlink()
        await until(lambda: log.exists() and log.read_text().count("told") >= 3)


def test_killed_between_files_and_hook_is_made_up_for(machine: Machine, web: Path) -> None:
    """The files are newer than what the consumer was told: as after a crash, or another process' renewal."""
    log = machine.folder / "log"
    made = consumer(machine, command=script(machine, f"echo told >> {log}"))
    machine.once()
    machine.data["consumers"] = []
    assert machine.run("renew", "web").exit_code == 0
    machine.data["consumers"] = [made]
    machine.once()
    assert log.read_text() == "told\ntold\n"


def test_report_has_certificates_files_and_consumers_and_no_secret(machine: Machine, web: Path) -> None:
    consumer(machine, command=script(machine, "true"))
    machine.once()
    ran = machine.run("report")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    [kept] = found["sets"]
    leaf = machine.served()[0]
    assert kept["names"] == ["web.example.com"]
    assert str(web) in kept["files"]
    assert int(kept["certificates"][0]["serial"], 16) == leaf.serial_number
    assert kept["certificates"][0]["sha256"] == leaf.fingerprint(hashes.SHA256()).hex()
    assert kept["certificates"][-1]["subject"] == f"CN=Root {machine.name}"
    assert [(one["name"], one["state"], one["sets"]) for one in found["consumers"]] == [
        ("server", "Told", ["web"])
    ]
    assert "PRIVATE KEY" not in ran.stdout
