"""A Vault that answers a signing call badly: told with its cause, tried no second time, old files kept."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.agent.support import Machine
from tests.builders import csr_pem
from tests.integration.support.forwarding_server import HANG_UP, Answer, ForwardingServer

Fault = Callable[[ForwardingServer, str, dict[str, str], bytes], Answer]


def another_key(server: ForwardingServer, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """A good certificate of the right CA and names, for a key that isn't the agent's."""
    sent = {**json.loads(body), "csr": csr_pem("web.example.com").decode()}
    return server.relay("POST", path, headers, json.dumps(sent).encode())


def answering(status: int, text: str) -> Fault:
    return lambda *_: (status, text.encode())


FAULTS: dict[str, tuple[Fault, str]] = {
    "429": (answering(429, '{"errors": ["request path is rate limited"]}'), "429"),
    "500": (answering(500, '{"errors": ["storage is gone"]}'), "storage is gone"),
    "502 of a proxy": (answering(502, "<html>bad gateway</html>"), "502"),
    "503 sealed": (answering(503, '{"errors": ["Vault is sealed"]}'), "sealed"),
    "garbage": (answering(200, "\x00\x01 no JSON"), "JSON"),
    "no certificate": (answering(200, '{"data": {"certificate": "none"}}'), "holds no certificate in PEM"),
    "no answer": (lambda *_: HANG_UP, "broke during POST"),
    "another key's certificate": (another_key, "is not what was asked for"),
}


class BadVault(ForwardingServer):
    """The real server, whose answers to signing calls are those of `fault`; `signed` counts the calls."""

    forwarded = ("X-Vault-Token", "X-Vault-Request", "Content-Type")
    fault: Fault | None = None
    signed = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Hand all else on."""
        if "/sign/" not in path or self.fault is None:
            return self.relay(method, path, headers, body)
        self.signed += 1
        return self.fault(self, path, headers, body)


def test_bad_answer_is_told_and_leaves_the_old_files(machine: Machine) -> None:
    machine.once()
    before = (machine.folder / "web" / "combined.pem").read_bytes()
    revocations = f"{machine.name}/revoke"
    with BadVault(machine.folder / "bad", "bad", machine.bao.addr, machine.bao.ca_file) as server:
        machine.data["vault"] |= {"server": server.addr, "caFile": str(server.ca_file)}
        for number, (name, (fault, said)) in enumerate(FAULTS.items(), start=1):
            server.fault = fault
            ran = machine.run("renew", "web")
            assert (ran.exit_code, said in ran.stderr) == (1, True), (name, ran.output)
            assert server.signed == number, name
            assert (machine.folder / "web" / "combined.pem").read_bytes() == before, name
            assert machine.status()["failures"] == number
        assert len(machine.bao.audited(revocations, "request")) == 1  # the one that was signed
        server.fault = None
        assert machine.run("renew", "web").exit_code == 0
    assert (machine.folder / "web" / "combined.pem").read_bytes() != before
