"""Variables of `vault` and `bao` that name a real OpenBao: trust, client certificate, and proxy."""

from __future__ import annotations

import select
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.certs import ClientCA, write_server
from testbed.processes import LOOPBACK
from tests.pki.cutting import CuttingProxy
from tests.pki.support import Vault, written

FILE = "mounts:\n  ${T}-pki: {}\n"


@pytest.mark.parametrize("name", ["VAULT_CAPATH", "BAO_CAPATH", "VAULT_CACERT_BYTES"])
def test_trust_may_be_a_folder_or_text(vault: Vault, tmp_path: Path, name: str) -> None:
    file, folder = written(tmp_path, FILE), tmp_path / "cas"
    folder.mkdir()
    (folder / "README").write_text("CAs of this company")
    (folder / "other.crt").write_text(ClientCA("other").pem)
    assert vault.run("plan", "-f", file, VAULT_CACERT="", VAULT_CAPATH=str(folder)).exit_code == 1
    shutil.copy(vault.bao.ca_file, folder / "vault.crt")
    (folder / "0a1b2c3d.0").symlink_to("vault.crt")
    value = vault.bao.ca_file.read_text() if name.endswith("BYTES") else str(folder)
    ran = vault.run("plan", "-f", file, VAULT_CACERT="", **{name: value})
    assert ran.exit_code == 2, ran.output


def test_a_server_that_asks_for_a_client_certificate_gets_it(vault: Vault, tmp_path: Path) -> None:
    file, ca = written(tmp_path, FILE), ClientCA("clients")
    pair = ca.issue("operator")
    (tmp_path / "own.crt").write_text(pair.certificate)
    (tmp_path / "own.key").write_text(pair.key)
    own = {
        "VAULT_CLIENT_CERT": str(tmp_path / "own.crt"),
        "VAULT_CLIENT_KEY": str(tmp_path / "own.key"),
        "VAULT_MAX_RETRIES": "5",
    }
    tls = write_server(tmp_path, "front")
    with CuttingProxy(vault.bao, tls=tls, clients=ca.pem).running() as front:
        server = {"VAULT_ADDR": front.addr, "VAULT_CACERT": str(tls.ca)}
        assert vault.run("plan", "-f", file, **server).exit_code == 1
        ran = vault.run("plan", "-f", file, **server, **own)
    assert ran.exit_code == 2, ran.output
    assert "Note: VAULT_MAX_RETRIES is set and not obeyed here" in ran.stderr


class ConnectProxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy on loopback that connects to the server, whatever name it is asked for."""

    def __init__(self, vault: Vault) -> None:
        self.asked: list[bytes] = []
        target, asked = (LOOPBACK, int(vault.bao.addr.rpartition(":")[2])), self.asked

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                """Answer CONNECT, then hand on what either side sends, until one has ended."""
                asked.append(self.request.recv(65536).partition(b"\r\n")[0])
                with socket.create_connection(target) as upstream:
                    self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    other = {self.request: upstream, upstream: self.request}
                    while True:
                        for ready in select.select(list(other), [], [])[0]:
                            data = ready.recv(65536)
                            if not data:
                                return
                            other[ready].sendall(data)

        super().__init__((LOOPBACK, 0), Handler)


@contextmanager
def connect_proxy(vault: Vault) -> Iterator[tuple[str, list[bytes]]]:
    """Run one; yield its address, and the first line of each request."""
    with ConnectProxy(vault) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"{LOOPBACK}:{server.server_address[1]}", server.asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ["VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"])
def test_a_proxy_of_vaults_own_is_gone_through(vault: Vault, tmp_path: Path, name: str) -> None:
    file = written(tmp_path, FILE)
    far = {"VAULT_ADDR": "https://vault.example.test:8200", "VAULT_TLS_SERVER_NAME": "localhost"}
    with connect_proxy(vault) as (proxy, asked):
        ran = vault.run("plan", "-f", file, **far, **{name: proxy}, NO_PROXY="*", VAULT_CLIENT_TIMEOUT="20")
    assert ran.exit_code == 2, ran.output
    assert set(asked) == {b"CONNECT vault.example.test:8200 HTTP/1.1"}
