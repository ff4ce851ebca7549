"""Consumers tried without being told anything: what is missing is found before the first renewal."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from issuer.agent.config.consumers import ConsumerSpec
from issuer.agent.hooks.checking import CheckFindings, check_consumer
from tests.unit.agent.hooks.engine import Engine, listening
from tests.unit.agent.hooks.test_haproxy import Runtime
from tests.unit.agent.hooks.test_haproxy import listening as runtime_at

EXE = os.path.realpath(sys.executable)
NO_PROOF = "it has no endpoints, so nothing shows that it serves new certificates"


async def found(*, serves: bool = True, has_files: bool = True, **fields: Any) -> CheckFindings:
    data = {"name": "app", "sets": ["web"], "user": getpass.getuser(), **fields}
    return await check_consumer(ConsumerSpec.model_validate(data), serves=serves, has_files=has_files)


def program(folder: Path, text: str, name: str = "run", mode: int = 0o755) -> str:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(mode)
    return str(folder / name)


async def test_good_program_is_not_run_and_a_lack_of_endpoints_is_warned_of(tmp_path: Path) -> None:
    words = [program(tmp_path, f"touch {tmp_path}/ran")]
    findings = await found(command=words)
    assert findings.problems == []
    assert [one[: len(NO_PROOF)] for one in findings.warnings] == [NO_PROOF]
    assert (await found(command=words, serves=False)).warnings == []  # CAs alone are served nowhere
    assert not (tmp_path / "ran").exists()


async def test_program_that_is_missing_or_may_not_be_run(tmp_path: Path) -> None:
    [problem] = (await found(command=[f"{tmp_path}/none"])).problems
    assert problem == f'There is no program "{tmp_path}/none": install it, or correct its path'
    [problem] = (await found(command=[program(tmp_path, "", mode=0o600)])).problems
    assert 'may not be run: run "chmod +x" on it' in problem


async def test_user_that_is_not_known() -> None:
    [problem] = (await found(command=["/bin/true"], user="nobody-here")).problems
    assert problem.startswith('User "nobody-here" isn\'t known')


async def test_pid_file_is_proved_and_nothing_is_sent(tmp_path: Path) -> None:
    hook = {"pidFile": f"{tmp_path}/pid", "exe": EXE, "signal": "TERM"}
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert (await found(signal=hook)).problems == []  # and this process lives on
    [problem] = (await found(signal={**hook, "exe": "/bin/sh"})).problems
    assert 'not "/bin/sh": nothing was sent' in problem
    [problem] = (await found(signal={**hook, "exe": "/nowhere/nginx"})).problems
    assert problem == 'There is no program "/nowhere/nginx": correct exe, or install it'
    [problem] = (await found(signal={**hook, "pidFile": "/nowhere/a/pid"})).problems
    assert "There is no folder for the pid file" in problem


@pytest.mark.parametrize(
    ("fields", "has_files"), [({"mayBeStopped": True}, True), ({}, False)], ids=["may be stopped", "first"]
)
async def test_server_that_is_stopped_is_no_problem(
    tmp_path: Path, fields: dict[str, Any], has_files: bool
) -> None:
    hook = {"pidFile": f"{tmp_path}/pid", "exe": EXE}
    endpoints = [{"address": "127.0.0.1:1"}]
    findings = await found(signal=hook, endpoints=endpoints, has_files=has_files, **fields)
    assert findings.problems == []
    assert len(findings.warnings) == 2
    findings = await found(signal=hook, endpoints=endpoints)
    assert [one.split(" ", 1)[0] for one in findings.problems] == ["There", "127.0.0.1:1"]


async def test_endpoint_that_speaks_no_tls(tmp_path: Path) -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        [problem] = (await found(command=["/bin/true"], endpoints=[{"address": address}])).problems
    assert problem.startswith(f"{address} can't be looked at (")


async def test_runtime_socket_is_asked_for_each_certificate(tmp_path: Path) -> None:
    names = [{"set": "web", "file": f"{name}.pem"} for name in ("a", "b")]
    runtime = Runtime({"a.pem": 1, "b.pem": 2})
    async with runtime_at(runtime, tmp_path) as path:
        assert await found(haproxy={"socket": str(path), "certificates": names}) == CheckFindings()
        del runtime.used["b.pem"]
        [problem] = (await found(haproxy={"socket": str(path), "certificates": names})).problems
    assert problem.startswith("HAProxy has no certificate b.pem")
    assert set(runtime.said) == {"show a.pem", "show b.pem"}
    [problem] = (await found(haproxy={"socket": f"{tmp_path}/none", "certificates": names})).problems
    assert "HAProxy isn't at" in problem


async def test_containers_are_looked_for_and_not_told(tmp_path: Path) -> None:
    engine = Engine({"mine": {"tls": "true", "owner": "proxy"}})
    async with listening(engine, tmp_path) as socket:
        hook = {"socket": socket, "owner": "proxy", "signal": "HUP"}
        assert (await found(container=hook)).problems == []
        [problem] = (await found(container={**hook, "owner": "other"})).problems
        assert problem.startswith("No container with the label tls=true and owner=other runs")
    [problem] = (await found(container={**hook, "socket": f"{tmp_path}/none"})).problems
    assert problem.startswith("There is no socket")
    assert engine.said == []


async def test_unit_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'echo "$@" >> {tmp_path}/said; [ "$2" = web.service ] || {{ echo "No files found" >&2; exit 1; }}'
    program(tmp_path, text, "systemctl")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (await found(systemd={"unit": "web.service"})).problems == []
    [problem] = (await found(systemd={"unit": "wbe.service"})).problems
    assert problem.endswith("No files found. Correct unit, or install wbe.service")
    assert (tmp_path / "said").read_text() == "cat web.service\ncat wbe.service\n"
