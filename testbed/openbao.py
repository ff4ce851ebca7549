"""A real OpenBao server over HTTPS with its own CA: started, initialised, unsealed, audited."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from testbed.auditlog import AuditLog
from testbed.cache import memory_directory, new_data_directory
from testbed.certs import ClientCA, write_server
from testbed.errors import HTTPError, TestbedError
from testbed.processes import LOOPBACK, Process, free_port, retry_ports
from testbed.servers import Program, find_bao
from testbed.vaultclient import VaultClient

KEY_SHARES, KEY_THRESHOLD = 3, 2
MEMORY_MB = 512
"""Room that memory must have for the data of an OpenBao; tests use some ten of it."""


class Storage(StrEnum):
    """Storage of a server. Only `RAFT` survives a restart and makes clusters on OpenBao 2.7."""

    RAFT = "raft"
    INMEM = "inmem"
    FILE = "file"
    """OpenBao up to 2.6, and Vault."""


class OpenBao(VaultClient):
    """The server and an administrator's calls to it.

    Attributes:
        addr: ``https://ADDRESS:PORT``, on loopback unless told otherwise; stays the same over ``stop`` and
            ``start``.
        mtls_addr: the same server at a listener that wants a client certificate of ``client_ca``.
        ca_file: PEM of the CA of its listener.
        token: the root token.
        unseal_keys: three keys, two of which unseal.
        audit_log: file with one JSON object for each request and each answer; `audit` reads it.
    """

    def __init__(
        self,
        program: Program,
        directory: Path,
        address: str = LOOPBACK,
        *,
        in_memory: bool = True,
        storage: Storage = Storage.RAFT,
        leader: OpenBao | None = None,
    ) -> None:
        """Prepare a server; with `leader` it joins that one's Raft cluster, and is a standby."""
        directory.mkdir(parents=True, exist_ok=True)
        self._tls = write_server(directory, "openbao", [address])
        super().__init__("", "", self._tls.ca)
        self._program = program
        self._directory = directory
        self._address = address
        self._in_memory = in_memory
        self._storage = storage
        self._leader = leader
        self._data: Path | None = None
        self._data_lock: int | None = None
        self.process = Process("OpenBao", directory / "openbao.log")
        self.client_ca = ClientCA("testbed client CA")
        self.audit_log = directory / "audit.log"
        self.audit = AuditLog(self.audit_log)
        self.mtls_addr = ""
        self.unseal_keys: tuple[str, ...] = ()

    @property
    def program(self) -> Path:
        """The program, which is also its command line."""
        return self._program.path

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.process.log

    def start(self, *, unseal: bool = True, initialise: bool = True) -> None:
        """Start it (again, on the same port with the same data) and, by default, initialise and unseal it."""
        if self.addr:
            self._launch()
        else:
            retry_ports(self._first_launch)
        if self._leader is not None:
            self._join(self._leader)
        elif not self.token and initialise:
            self._initialise()
        if unseal and initialise:
            self.unseal()

    def _first_launch(self) -> None:
        port = free_port()
        mtls_port = free_port()
        self.addr, self.mtls_addr = (f"https://{self._address}:{one}" for one in (port, mtls_port))
        self._connect()
        config = self._directory / "openbao.json"
        config.write_text(json.dumps(self._configuration(port, mtls_port)))
        try:
            self._launch()
        except TestbedError:
            self.addr = ""
            raise

    def _launch(self) -> None:
        self.process.start([self._program.path, "server", f"-config={self._directory / 'openbao.json'}"])
        self.process.wait_ready(self._answers)

    def _configuration(self, port: int, mtls_port: int) -> dict[str, Any]:
        cluster_port = free_port()
        listener = {
            "address": f"{self._address}:{port}",
            "cluster_address": f"{LOOPBACK}:{cluster_port}",
            "tls_cert_file": str(self._tls.cert),
            "tls_key_file": str(self._tls.key),
        }
        client_ca = self._directory / "client-ca.crt"
        client_ca.write_text(self.client_ca.pem)
        mtls_listener = {
            **listener,
            "address": f"{self._address}:{mtls_port}",
            "cluster_address": f"{LOOPBACK}:{free_port()}",
            "tls_client_ca_file": str(client_ca),
            "tls_require_and_verify_client_cert": True,
        }
        # Audit devices can't be made through the API since OpenBao 2.4; they are part of the configuration.
        audit = {"description": "what the tests count", "options": {"file_path": str(self.audit_log)}}
        return {
            "listener": [{"tcp": listener}, {"tcp": mtls_listener}],
            "storage": {self._storage: self._storage_configuration(port)},
            "audit": [{"file": {"file": audit}}],
            "api_addr": self.addr,
            "cluster_addr": f"https://{LOOPBACK}:{cluster_port}",
            "log_level": "info",
            "ui": False,
        }

    def _storage_configuration(self, port: int) -> dict[str, Any]:
        if self._storage is Storage.INMEM:
            return {}
        path = str(self._data_directory())
        if self._storage is Storage.FILE:
            return {"path": path}
        # The only storage of OpenBao 2.7 that needs no server of its own and survives a restart.
        return {"path": path, "node_id": f"testbed-{port}", "performance_multiplier": "1"}

    def _data_directory(self) -> Path:
        """Where it keeps its data: in memory, if it may and can.

        Raft waits for the disk at each write: beside an image being built a write took more than 30 s.
        """
        if self._data is None:
            memory = memory_directory(MEMORY_MB) if self._in_memory else None
            if memory is not None:
                self._data, self._data_lock = new_data_directory(memory)
            else:
                self._data = self._directory / "data"
                self._data.mkdir(exist_ok=True)
        return self._data

    def _answers(self) -> bool:
        try:
            self.status()
        except (TestbedError, HTTPError):
            return False
        return True

    def _initialise(self) -> None:
        body = {"secret_shares": KEY_SHARES, "secret_threshold": KEY_THRESHOLD}
        answer = self.call("PUT", "sys/init", body, token="")
        self.unseal_keys = tuple(answer["keys_base64"])
        self.token = str(answer["root_token"])

    def _join(self, leader: OpenBao) -> None:
        """Become a member of the leader's cluster, unless it is one."""
        if not self.token:
            body = {"leader_api_addr": leader.addr, "leader_ca_cert": leader.ca_pem}
            self.call("POST", "sys/storage/raft/join", body, token="")
        self.token, self.unseal_keys = leader.token, leader.unseal_keys

    def status(self) -> dict[str, Any]:
        """``sys/seal-status``: ``initialized``, ``sealed``, ``version``."""
        return self.call("GET", "sys/seal-status", token="")

    @property
    def sealed(self) -> bool:
        """Whether it is sealed now."""
        return bool(self.status()["sealed"])

    def seal(self) -> None:
        """Seal it: it answers 503 to everything until it is unsealed."""
        self.call("PUT", "sys/seal")

    def unseal(self) -> None:
        """Unseal it and wait until it is active: until then it refuses what it would have to write."""
        for key in self.unseal_keys[:KEY_THRESHOLD]:
            self.call("PUT", "sys/unseal", {"key": key}, token="")
        self.process.wait_ready(self._active)

    def _active(self) -> bool:
        """Return True if it is the active node and knows its tokens.

        Reads alone prove nothing: since 2.5 OpenBao answers them as a standby, too, which any node is between
        its unsealing and its election. `sys/health` answers 429 then.
        """
        health = "sys/health" if self._leader is None else "sys/health?standbyok=true"
        try:
            self.call("GET", health, token="")
            self.call("GET", "auth/token/lookup-self")
        except (TestbedError, HTTPError):
            return False
        return True

    def stop(self) -> None:
        """Stop the server; ``start`` brings it back with its data."""
        self.process.stop()

    def close(self) -> None:
        """End it for good."""
        self.process.stop(grace=0)
        self.disconnect()
        if self._data is not None and self._data_lock is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            os.close(self._data_lock)
            self._data_lock = None

    def pause(self) -> None:
        """Freeze it: connections are taken and nothing is answered."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after ``pause``, and wait until it serves as before."""
        self.process.resume()
        if self.process.running:
            self.process.wait_ready(lambda: self._answers() and (self.sealed or self._active()))

    def audited(self, path: str, kind: str = "response") -> list[dict[str, Any]]:
        """Audit entries (`request` or `response`) of a path, such as `pki_int/sign/lab`; failed ones carry
        `error`."""
        return self.audit.entries(kind, path)


@contextmanager
def running_openbao(directory: Path) -> Iterator[OpenBao]:
    """Start an OpenBao, unsealed and empty; end it, and remove what it kept."""
    server = OpenBao(find_bao(), directory)
    try:
        server.start()
        yield server
    finally:
        server.close()
