"""A man in the middle: an HTTPS server of its own that hands everything on to the real Vault."""

from __future__ import annotations

import base64
import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from testbed.certs import write_server
from testbed.cluster import Testbed

_FORWARDED = ("X-Vault-Token", "X-Vault-Request", "Content-Type")

Answer = tuple[int, bytes]

HANG_UP: Answer = (0, b"")
"""No answer: the connection ends, as it does when a server is killed."""


class ForwardingVault:
    """``addr`` and ``ca_bundle`` lead an issuer here; subclasses meddle in ``forward``."""

    def __init__(self, bed: Testbed, name: str) -> None:
        directory = bed.directory / name
        directory.mkdir(exist_ok=True)
        files = write_server(directory, name)
        self._vault = bed.vault
        self._upstream = ssl.create_default_context(cafile=str(bed.vault.ca_file))
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
        """The real Vault's answer to just this."""
        wanted = urllib.request.Request(
            f"{self._vault.addr}{path}", data=body or None, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(wanted, context=self._upstream, timeout=10) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        forwarding = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name: self.headers[name] for name in _FORWARDED if self.headers.get(name)}
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


class DyingVault(ForwardingVault):
    """Answers as the real Vault does, and while paused not at all.

    Unlike a process that is stopped it still takes connections: how long a call waits is left to
    --vault-timeout, and not to the ten seconds that a handshake has.
    """

    def __init__(self, bed: Testbed, name: str) -> None:
        super().__init__(bed, name)
        self._lives = threading.Event()
        self._lives.set()
        self.unanswered: list[str] = []
        """Paths of the calls that came while it was paused."""

    def pause(self) -> None:
        """Answer no further call."""
        self._lives.clear()

    def resume(self) -> None:
        """Answer again, also those that wait."""
        self._lives.set()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, late if it is paused."""
        if not self._lives.is_set():
            self.unanswered.append(path)
            self._lives.wait()
        return self.relay(method, path, headers, body)
