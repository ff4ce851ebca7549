"""Real servers, each through renewals with short lives, under constant new handshakes."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from issuer.agent.config.reading import load_agent_file
from issuer.agent.process.agent import opened_agent
from issuer.endpoint.address import EndpointAddress, parse_endpoint
from testbed.errors import TestbedError
from tests.agent.handshakes import Handshaking, PairReading
from tests.agent.podman import Podman, contained_nginx
from tests.agent.servers import RunningServer, haproxy, nginx, python_server
from tests.agent.support import Machine

HANG = 600.0
"""Seconds without a renewal after which a soak is taken to hang."""
NAME = "web.example.com"


@dataclass(slots=True)
class Soak:
    """A machine with an agent and servers; `left_out` are servers that this machine can't have."""

    machine: Machine
    renewals: int
    handshakes: int
    ttl: str = "300s"
    containers: bool = False
    servers: dict[str, RunningServer] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def run(self, stack: ExitStack) -> str:
        """Run to the end; returns the figures as text, and raises AssertionError if anything failed."""
        addresses = self.started(stack)
        assert not self.left_out, self.left_out  # a whole run proves nothing of servers that aren't there
        return self.shaken(addresses)

    def started(self, stack: ExitStack) -> dict[str, EndpointAddress]:
        """Start the servers with a first certificate each; returns their addresses."""
        machine, names = self.machine, ["nginx", "haproxy", "runtime", "python"]
        names += ["container"] if self.containers else []
        machine.data["certificates"] = [self.certificate(name) for name in names]
        machine.once()
        self._serve(stack)
        machine.data["certificates"] = [self.certificate(name) for name in self.servers]
        return {name: parse_endpoint(one.address) for name, one in self.servers.items()}

    def certificate(self, name: str) -> dict[str, Any]:
        """A certificate that is renewed when a tenth of its life has gone: it never ends in between."""
        renewal = {"at": 0.1, "jitter": 0}
        return self.machine.certificate(name, dnsNames=[NAME], ttl=self.ttl, renewal=renewal)

    def sampled(self, stack: ExitStack) -> str:
        """Run with forced renewals of lives of a day, in this process: no time is waited for.

        Handshakes and reads leave most of the processors to others; those of a whole run take all of them.
        """
        self.ttl = "24h"
        addresses = self.started(stack)
        assert all(one.startswith("container: ") for one in self.left_out), self.left_out
        folders = [self.machine.folder / name for name in self.servers]
        began = time.monotonic()
        with (
            PairReading(folders, pause=0.005) as reading,
            Handshaking(addresses, folders[0] / "ca.crt", NAME, pause=0.02) as shaking,
        ):
            asyncio.run(self._forced())
            shaking.wait_for(self.handshakes)
        return self._judged(shaking, reading, self._figures(shaking, reading, time.monotonic() - began))

    async def _forced(self) -> None:
        path = self.machine.folder / "agent.yaml"
        path.write_text(yaml.safe_dump(self.machine.data))
        async with opened_agent(load_agent_file(str(path)), self.machine.folder / "state") as agent:
            for _ in range(self.renewals):
                reports = await asyncio.gather(*(agent.step(name, force=True) for name in self.servers))
                assert None not in reports
                told = await asyncio.gather(*map(agent.telling.tell, self.servers))
                assert not any(one.is_failing for one in told), told

    def shaken(self, addresses: dict[str, EndpointAddress]) -> str:
        """Shake hands while the agent renews."""
        folders = [self.machine.folder / name for name in self.servers]
        root = self.machine.folder / folders[0].name / "ca.crt"
        began = time.monotonic()
        with at_work(self.machine) as agent, PairReading(folders) as reading:
            # The first certificates may have ended while the servers were started.
            self._wait(agent, lambda: min(self.runs()) >= 1)
            with Handshaking(addresses, root, NAME) as shaking:
                self._wait(agent, lambda: self._is_enough(shaking))
            usage = process_usage(agent.pid)
        took = time.monotonic() - began
        return self._judged(shaking, reading, self._figures(shaking, reading, took) + f"agent: {usage}\n")

    def _judged(self, shaking: Handshaking, reading: PairReading, text: str) -> str:
        assert not shaking.failed, shaking.failed
        assert reading.broken == 0, text
        for name in self.servers:
            record = self.record(name)
            assert record["failed_runs"] == 0, (name, record)
            assert len(shaking.tallies[name].serials) > self.renewals // 2, text
        return text

    def record(self, name: str) -> dict[str, Any]:
        """What the agent keeps about a consumer."""
        path = self.machine.folder / "state" / "consumers" / f"{name}.json"
        found: dict[str, Any] = {"runs": 0, "failed_runs": 0, "error": ""}
        with suppress(FileNotFoundError):
            found = json.loads(path.read_text())
        return found

    def _serve(self, stack: ExitStack) -> None:
        pem = {
            str(one["name"]): Path(one["folder"]) / "combined.pem"
            for one in self.machine.data["certificates"]
        }
        folder = self.machine.folder / "servers"
        folder.mkdir(exist_ok=True)
        ways: dict[str, Callable[[], AbstractContextManager[RunningServer]]] = {
            "nginx": lambda: nginx(folder / "nginx", pem["nginx"]),
            "haproxy": lambda: haproxy(folder / "haproxy", pem["haproxy"], master=True),
            "runtime": lambda: haproxy(folder / "runtime", pem["runtime"]),
            "python": lambda: python_server(folder / "python", pem["python"]),
        }
        if self.containers:
            ways["container"] = lambda: contained(folder, pem["container"])
        consumers = []
        patient = {"timeout": "5m", "verifyWithin": "10m"}  # a busy machine is no failure of the agent's
        for name, start in ways.items():
            try:
                server = self.servers[name] = stack.enter_context(start())
            except TestbedError as error:
                self.left_out.append(f"{name}: {error}")
                continue
            how = server.hook()
            if name == "runtime":
                certificates = [{"set": name, "file": str(pem[name])}]
                how = {
                    "haproxy": {"socket": str(server.folder / "haproxy.sock"), "certificates": certificates}
                }
            if name == "container":
                command = [server.exe, "-c", str(server.folder / "nginx.conf"), "-s", "reload"]
                how = {"container": {"socket": str(folder / "podman.sock"), "owner": "soak", "exec": command}}
            consumers.append(
                {"name": name, "sets": [name], "user": getpass.getuser(), **how, **server.check(), **patient}
            )
        self.machine.data["consumers"] = consumers

    def runs(self) -> list[int]:
        """The number of hooks of each consumer so far."""
        return [self.record(name)["runs"] for name in self.servers]

    def _is_enough(self, shaking: Handshaking) -> bool:
        return min(self.runs()) > self.renewals and shaking.count >= self.handshakes

    def _wait(self, agent: subprocess.Popen[bytes], enough: Callable[[], bool]) -> None:
        seen, at = 0, time.monotonic()
        while not enough():
            if sum(self.runs()) != seen:
                seen, at = sum(self.runs()), time.monotonic()
            assert agent.poll() is None
            assert time.monotonic() - at < HANG, [self.record(name) for name in self.servers]
            time.sleep(0.1)

    def _figures(self, shaking: Handshaking, reading: PairReading, took: float) -> str:
        lines = [f"{shaking.count} handshakes in {took:.0f} s, failed: {shaking.failed or 0}"]
        for name, tally in shaking.tallies.items():
            runs = self.record(name)["runs"]
            lines.append(
                f"{name:>8}: {tally.handshakes} handshakes, {runs} renewals, {len(tally.serials)} seen"
            )
        rate = reading.straddled / max(reading.pairs, 1)
        lines.append(
            f"two files read: {reading.straddled} of {reading.pairs} pairs don't fit ({rate:.5%}); "
            f"combined: {reading.broken} of {reading.combined}"
        )
        lines += [f"left out: {one}" for one in self.left_out]
        return "\n".join(lines) + "\n"


def contained(folder: Path, pem: Path) -> AbstractContextManager[RunningServer]:
    """nginx in a container of Podman. Raises TestbedError where that can't be had."""
    return contained_nginx(Podman(folder), folder / "container", pem)


@contextmanager
def at_work(machine: Machine) -> Iterator[subprocess.Popen[bytes]]:
    """`vault-issuer agent run` as a process of its own."""
    path = machine.folder / "agent.yaml"
    path.write_text(yaml.safe_dump(machine.data))
    path.chmod(0o600)
    words = [str(Path(sys.executable).parent / "vault-issuer"), "agent", "run", "-c", str(path)]
    with (machine.folder / "agent.log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(HANG)


def process_usage(pid: int) -> str:
    """Memory and processor time of a process, for people.

    Memory of its own is what the kernel counts as anonymous: libraries' pages, which all processes of a
    machine share and the kernel may drop, are in what is resident.
    """
    rows = (one.split() for one in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    memory = {name.rstrip(":"): int(size) / 1024 for name, size, *_ in rows}
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return (
        f"{memory['Anonymous']:.0f} MiB of its own, {memory['Rss']:.0f} resident, {memory['Pss']:.0f} by "
        f"shares (PSS), {seconds:.1f} s of a processor"
    )
