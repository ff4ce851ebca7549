"""A proxy before a real OpenBao that ends one run of a command at one of its calls, as a crash would."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from testbed.certs import ServerFiles
from testbed.openbao import OpenBao
from testbed.processes import LOOPBACK

_HOP: Final = frozenset(
    {"connection", "date", "host", "server", "transfer-encoding", "content-length", "keep-alive"}
)


class CutMode(StrEnum):
    """Moment of a call at which the run ends."""

    BEFORE = "before"
    """Vault doesn't get the call."""
    DURING = "during"
    """Vault gets the call, and the connection goes while it works."""
    AFTER = "after"
    """Vault has answered, and nobody hears it."""


class CuttingProxy:
    """Forwards calls on loopback until call number `at`, or a call `METHOD path`, then nothing any more.

    It is reached by plain HTTP unless it has `tls`; then it may ask for certificates of the CA `clients`
    (PEM). It `goes_on` after the cut if that is set.
    `paths` are the calls so far as `METHOD path`. `killed` is called at the cut; `held` is called, if it is
    set, with each call after Vault has answered it, and may wait. `ahead` are the seconds by which the clock
    of its answers is ahead of ours.
    """

    def __init__(
        self,
        bao: OpenBao,
        at: int | str = 0,
        mode: CutMode = CutMode.BEFORE,
        tls: ServerFiles | None = None,
        clients: str = "",
    ) -> None:
        self._scheme = "http" if tls is None else "https"
        self._at = at
        self._mode = mode
        self._tls = ssl.create_default_context(cafile=str(bao.ca_file))
        self._lock = threading.Lock()
        self.is_cut = False
        self._ended = threading.Event()
        self.goes_on = False
        self.paths: list[str] = []
        self.killed: Callable[[], None] = lambda: None
        self.held: Callable[[str], None] = lambda _: None
        self.ahead = 0.0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                """Have a connection to Vault for each of a client's, made when it is first used."""
                super().setup()
                parts = urlsplit(bao.addr)
                self.upstream = HTTPSConnection(parts.hostname or "", parts.port, context=proxy._tls)

            def finish(self) -> None:
                """Close both."""
                self.upstream.close()
                super().finish()

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):
                    return lambda: proxy._handle(self, self.upstream)
                raise AttributeError(name)

            def date_time_string(self, timestamp: float | None = None) -> str:
                """Write a date as proxy's clock has it."""
                return super().date_time_string((timestamp or time.time()) + proxy.ahead)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Print nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls.cert, tls.key)
            if clients:
                context.load_verify_locations(cadata=clients)
                context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def addr(self) -> str:
        """Address for VAULT_ADDR."""
        return f"{self._scheme}://{LOOPBACK}:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[CuttingProxy]:
        """Serve in a thread meanwhile."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handle(self, request: BaseHTTPRequestHandler, upstream: HTTPSConnection) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self._lock:
            if self.is_cut and not self.goes_on:
                self._drop(request)
                return
            self.paths.append(f"{request.command} {request.path.removeprefix('/v1/')}")
            ours = not self.is_cut and self._at in (len(self.paths), self.paths[-1])
            self.is_cut = self.is_cut or ours
        if ours and self._mode is CutMode.BEFORE:
            self._end(request)
            return
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        upstream.request(request.command, request.path, body or None, headers)
        if ours and self._mode is CutMode.DURING:
            if upstream.sock is not None:
                upstream.sock.shutdown(socket.SHUT_RDWR)
            upstream.close()
            self._end(request)
            return
        answer = upstream.getresponse()
        content = answer.read()
        self.held(f"{request.command} {request.path.removeprefix('/v1/')}")
        if ours:
            self._end(request)
        elif self.is_cut and not self.goes_on:
            self._drop(request)
        else:
            request.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    request.send_header(name, value)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

    def _end(self, request: BaseHTTPRequestHandler) -> None:
        self.killed()
        self._ended.set()
        self._drop(request)

    def _drop(self, request: BaseHTTPRequestHandler) -> None:
        self._ended.wait(60)  # a call beside the cut one must not end the run before it is killed
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)
