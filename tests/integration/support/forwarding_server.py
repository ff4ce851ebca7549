"""A man in the middle: an HTTPS server of its own that hands everything on to a real CA's server."""

from __future__ import annotations

import base64
import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from testbed.certs import write_server

Answer = tuple[int, bytes]

HANG_UP: Answer = (0, b"")
"""No answer: the connection ends, as it does when a server is killed."""


class ForwardingServer:
    """Leads an issuer by `addr` and `ca_bundle` to the server at `upstream`; subclasses meddle in `forward`.

    Args:
        directory: for its certificate.
        upstream: URL of the real server, whose CA is in the file `upstream_ca`.
    """

    forwarded: ClassVar[tuple[str, ...]] = ("Content-Type",)
    """Headers that are handed on."""

    def __init__(self, directory: Path, name: str, upstream: str, upstream_ca: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        files = write_server(directory, name)
        self._upstream = upstream
        self._context = ssl.create_default_context(cafile=str(upstream_ca))
        self.ca_file = files.ca
        self.ca_bundle = base64.b64encode(files.ca_pem.encode()).decode()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files.cert, files.key)
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def addr(self) -> str:
        """Its URL."""
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """What is said to one request."""
        return self.relay(method, path, headers, body)

    def relay(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real server's answer to just this."""
        wanted = urllib.request.Request(
            f"{self._upstream}{path}", data=body or None, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(wanted, context=self._context, timeout=10) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except urllib.error.URLError:  # it is down
            return HANG_UP

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forwarding = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {
                    name: self.headers[name] for name in forwarding.forwarded if self.headers.get(name)
                }
                status, body = forwarding.forward(self.command, self.path, headers, self.rfile.read(length))
                if (status, body) == HANG_UP:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the names http.server asks for

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler
