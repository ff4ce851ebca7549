"""Real servers that read a set's files: nginx, HAProxy, and one in Python. They run until the test ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import dial
from issuer.endpoint.errors import DialFailed
from testbed.processes import LOOPBACK, PATIENCE, free_port
from testbed.web_servers import find_web_server

_NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen {address} ssl;
    ssl_certificate {pem}; ssl_certificate_key {key};
    return 200 "ok";
  }}
}}
"""
_HAPROXY = """
global
  stats socket {folder}/haproxy.sock mode 600 level admin expose-fd listeners
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend web
  bind {address} ssl crt {pem}
  http-request return status 200 content-type text/plain string ok
"""
_PYTHON = """
import http.server, os, signal, ssl, sys
pem, port, pid, missed = sys.argv[1], int(sys.argv[2]), sys.argv[3], [None] * int(sys.argv[4])
def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made
current = [context()]
def sni(connection, name, _):
    connection.context = current[0]
outer = context()
outer.sni_callback = sni
def reload(*_):
    if missed: missed.pop()
    else: current[0] = context()
signal.signal(signal.SIGHUP, reload)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    def get_request(self):
        sock, peer = super().get_request()
        return outer.wrap_socket(sock, server_side=True, do_handshake_on_connect=False), peer
    def handle_error(self, *_): pass
server = Server(("127.0.0.1", port), Handler)
with open(pid, "w") as file: file.write(str(os.getpid()))
server.serve_forever()
"""


@dataclass(slots=True)
class RunningServer:
    """A server at work: `address` is host:port, and `log` what it printed."""

    name: str
    address: str
    folder: Path
    process: subprocess.Popen[bytes] | None
    exe: str

    @property
    def pid_file(self) -> Path:
        """The file with the number of its first process."""
        return self.folder / f"{self.name}.pid"

    def wait(self) -> None:
        """Wait until it serves."""
        _wait(self.process, self.address, self.folder / f"{self.name}.out")

    def hook(self) -> dict[str, Any]:
        """`signal` of a consumer: a reload by SIGHUP."""
        return {"signal": {"pidFile": str(self.pid_file), "exe": self.exe, "signal": "HUP"}}

    def check(self) -> dict[str, Any]:
        """`endpoints` of a consumer."""
        return {"endpoints": [{"address": self.address, "handshakes": 8}]}


@contextmanager
def nginx(folder: Path, pem: Path, *, key: Path | None = None, start: bool = True) -> Iterator[RunningServer]:
    """A real nginx with two workers that serves a combined PEM, or a chain with its `key` in another file.

    Without `start` only its configuration is made.
    """
    found, address = find_web_server("nginx"), f"{LOOPBACK}:{free_port()}"
    folder.mkdir(exist_ok=True)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        user + _NGINX.format(folder=folder, address=address, pem=pem, key=key or pem)
    )
    words = [str(found.program), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")]
    if not start:
        yield RunningServer("nginx", address, folder, None, str(found.program))
        return
    with _running("nginx", folder, address, words, found.environment, str(found.program)) as server:
        yield server


@contextmanager
def haproxy(
    folder: Path, pem: Path, *, master: bool = False, more: Sequence[Path] = ()
) -> Iterator[RunningServer]:
    """A real HAProxy with two threads and a runtime socket; with `master`, one that reloads by a signal.

    `more` are certificates that it chooses by SNI.
    """
    found, address = find_web_server("haproxy"), f"{LOOPBACK}:{free_port()}"
    folder.mkdir(exist_ok=True)
    files = " crt ".join(map(str, (pem, *more)))
    (folder / "haproxy.cfg").write_text(_HAPROXY.format(folder=folder, address=address, pem=files))
    how = ["-W", "-p", str(folder / "haproxy.pid")] if master else ["-db"]
    words = [str(found.program), "-q", *how, "-f", str(folder / "haproxy.cfg")]
    with _running("haproxy", folder, address, words, found.environment, str(found.program)) as server:
        yield server


@contextmanager
def python_server(folder: Path, pem: Path, *, missed: int = 0) -> Iterator[RunningServer]:
    """A server that swaps the context of new connections at SIGHUP, but for the first `missed` signals."""
    address = f"{LOOPBACK}:{(port := free_port())}"
    folder.mkdir(exist_ok=True)
    exe = os.path.realpath(sys.executable)
    words = [exe, "-c", _PYTHON, str(pem), str(port), str(folder / "python.pid"), str(missed)]
    with _running("python", folder, address, words, {}, exe) as server:
        yield server


@contextmanager
def _running(
    name: str, folder: Path, address: str, words: list[str], environment: Mapping[str, str], exe: str
) -> Iterator[RunningServer]:
    with (folder / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=output, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        server = RunningServer(name, address, folder, process, exe)
        server.wait()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes] | None, address: str, output: Path) -> None:
    async def shakes_hands() -> bool:
        try:
            await dial(parse_endpoint(address))
        except DialFailed:
            return False
        return True

    ends = time.monotonic() + PATIENCE
    while not asyncio.run(shakes_hands()):
        if (process is not None and process.poll() is not None) or time.monotonic() > ends:
            printed = output.read_text()[-2000:] if output.exists() else ""
            raise AssertionError(f"{address}: nothing is served: {printed}")
        time.sleep(0.02)
