"""An HTTPS server that keeps all it is sent, and answers as a Vault would that takes any login."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from testbed.certs import write_server
from testbed.processes import LOOPBACK

OWN_TOKEN = "hvs.given-out-by-the-recorder"


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def tokens(self) -> set[str]:
        """Vault tokens in its headers."""
        return {value for name, value in self.headers if name.lower() in ("x-vault-token", "authorization")}

    @property
    def text(self) -> str:
        """Everything in it, to search."""
        return "\n".join(
            (self.method, self.path, *(f"{one}: {value}" for one, value in self.headers), self.body)
        )


@dataclass(slots=True)
class Recorder:
    """A running recorder at ``address``; ``calls`` is what it was sent so far; ``unlisted`` is where it
    redirects to, if it does."""

    address: str
    ca_bundle: str
    calls: list[Call] = field(default_factory=list)
    unlisted: Recorder | None = None

    @property
    def tokens(self) -> set[str]:
        """Every token it was sent."""
        return set().union(*(call.tokens for call in self.calls))

    @property
    def signs(self) -> int:
        """How many CSRs it was sent to sign."""
        return sum(1 for call in self.calls if "/sign/" in call.path and "CERTIFICATE REQUEST" in call.body)

    def was_sent(self, text: str) -> bool:
        """Whether the text is anywhere in what it was sent, as it is or in base64."""
        forms = (text, base64.b64encode(text.encode()).decode().rstrip("="))
        return any(form in call.text for call in self.calls for form in forms)


def answer(path: str, ca_pem: str) -> tuple[int, object]:
    """What Vault would say: to a login a token, to a CSR that it doesn't like it."""
    login = {"client_token": OWN_TOKEN, "lease_duration": 3600, "renewable": True, "accessor": "none"}
    if path.endswith("/ca_chain"):
        return 200, ca_pem
    if path.endswith("/login"):
        return 200, {"auth": login}
    if path.endswith("/lookup-self"):
        return 200, {"data": {"ttl": 3600, "renewable": True}}
    return 400, {"errors": ['"csr" is empty, or not to the taste of a recorder']}


Answer = Callable[[str, str], tuple[int, object]]


@contextmanager
def recording(directory: Path, ca_pem: str, answer: Answer = answer) -> Iterator[Recorder]:
    """Run a recorder on loopback; ``ca_pem`` is the CA chain that it says it signs with.

    ``answer`` says what it answers to a path; a status from 300 to 399 with where it redirects to.
    """
    files = write_server(directory, "recorder")

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            recorder.calls.append(
                Call(self.command, self.path, tuple(self.headers.items()), body.decode(errors="replace"))
            )
            status, found = answer(self.path, ca_pem)
            content = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(found, str) else "application/json")
            if 300 <= status < 400:
                self.send_header("Location", str(found))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any  # noqa: N815  # http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.cert, files.key)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    bundle = base64.b64encode(files.ca.read_bytes()).decode()
    recorder = Recorder(f"https://{LOOPBACK}:{server.server_port}", bundle)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
