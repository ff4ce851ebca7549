"""`vault-issuer trust`, from its options to its exit code."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from issuer.cli.trust.opening import reported
from issuer.trust.stores.store import locked
from issuer.trust.stores.system import SystemLayout, SystemStore
from tests.builders import NOW
from tests.ca import DAY, name
from tests.unit.trust.roots import make_root, needs_update, self_signed, system_layout

ROOT = make_root(begins=NOW - 3650 * DAY)


class Mount(BaseHTTPRequestHandler):
    """Answers as Vault's unauthenticated `ca_chain` of the mount `pki`; `/away` redirects from TLS."""

    def __init__(self, context: ssl.SSLContext, *arguments: Any) -> None:
        self._context = context
        super().__init__(*arguments)

    def setup(self) -> None:
        """Shake hands."""
        self.request = self._context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        """End the connection."""
        super().finish()
        self.request.close()

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/away":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:1/v1/pki/ca_chain")
        else:
            self.send_response(200 if self.path == "/v1/pki/ca_chain" else 404)
        self.end_headers()
        self.wfile.write(ROOT.pem.encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


class QuietServer(ThreadingHTTPServer):
    """Prints nothing of clients that end the handshake."""

    def handle_error(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server of TLS, and the file of its certificate, which the system doesn't trust."""
    folder = tmp_path_factory.mktemp("server")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = self_signed(name("server"), key, NOW - 3650 * DAY, 7300, [(names, False)])
    pem = certificate.public_bytes(Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    listening = QuietServer(("127.0.0.1", 0), partial(Mount, context))
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://localhost:{listening.server_port}", folder / "tls.crt"
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SystemLayout:
    """A system's store in a folder, which the command takes for this machine's."""
    layout = system_layout(tmp_path)
    monkeypatch.setattr(SystemStore, "of_this_machine", lambda: SystemStore(layout))
    return layout


def trust(*words: object, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["trust", *map(str, words)], input=typed)


@needs_update
def test_root_of_a_mount_is_installed_listed_and_removed(
    layout: SystemLayout, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_ADDR", server[0])
    wanted = ("--mount", "pki", "--sha256", ROOT.sha256)
    planned = trust("install", *wanted, "--plan")
    assert (planned.exit_code, "would be installed" in planned.stdout) == (0, True)
    assert [one.name for one in layout.anchors.iterdir()] == ["company.crt"]
    done = trust("install", *wanted, "-o", "json")
    assert (done.exit_code, [one["result"] for one in json.loads(done.stdout)]) == (0, ["installed"])
    assert "there already" in trust("list").stdout
    assert trust("remove", "--sha256", ROOT.sha256).exit_code == 0
    assert trust("remove", "--all").stdout == "Nothing to do.\n"
    assert "No root that this command put there is in " in trust("list").stdout


def test_server_is_verified_where_no_fingerprint_proves_the_answer(
    server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server[0]}/v1/pki/ca_chain"
    refused = trust("show", url)
    assert (refused.exit_code, "--sha256" in refused.stderr) == (2, True)
    shown = trust("show", url, "--ca-file", server[1], "-o", "json")
    assert [one["sha256"] for one in json.loads(shown.stdout)["certificates"]] == [ROOT.sha256]
    assert trust("show", url, "--sha256", ROOT.sha256, "-o", "pem").stdout == ROOT.pem
    away = trust("show", f"{server[0]}/away", "--ca-file", server[1])
    assert (away.exit_code, "away from TLS" in away.stderr) == (2, True)
    assert "answers 404" in trust("show", f"{server[0]}/v1/other/ca_chain", "--ca-file", server[1]).stderr
    assert "is not https" in trust("show", "http://localhost/ca").stderr
    monkeypatch.setenv("VAULT_ADDR", server[0])
    for variable, value in (("CACERT", server[1]), ("CACERT_BYTES", server[1].read_text())):
        with monkeypatch.context() as patch:
            patch.setenv(f"VAULT_{variable}", str(value))
            assert ROOT.sha256 in trust("show", "--mount", "pki").stdout, variable


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"garbage\r\n", "no HTTP server"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "cuts its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", "didn't answer whole within"),
    ],
    ids=["garbage", "cut", "endless"],
)
def test_a_server_that_answers_oddly_is_told(
    answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.trust.sources.SECONDS", 0.3)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)
            while why.startswith("didn't") and not ended.wait(0.02):  # a byte now and then, for ever
                with suppress(OSError):
                    connection.sendall(b"x")

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        told = trust("show", f"http://127.0.0.1:{listening.getsockname()[1]}/ca", "--sha256", ROOT.sha256)
        ended.set()
        thread.join()
    assert (told.exit_code, why in told.stderr) == (2, True), told.output


@needs_update
def test_two_runs_at_once_wait_for_each_other(
    layout: SystemLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs that make a store keep nobody out: the last to write undoes the roots of others."""
    monkeypatch.setattr("issuer.trust.stores.store.LOCK_SECONDS", 0)
    (tmp_path / "root.crt").write_text(ROOT.pem)
    words = ("install", tmp_path / "root.crt", "--sha256", ROOT.sha256)
    with locked(layout.anchors):
        held = trust(*words)
    assert (held.exit_code, "another process has held the lock" in held.stdout) == (1, True), held.output
    assert [one.name for one in layout.anchors.iterdir()] == ["company.crt"]


def test_file_alone_proves_no_root(layout: SystemLayout, tmp_path: Path) -> None:
    (tmp_path / "root.crt").write_text(ROOT.pem)
    refused = trust("install", tmp_path / "root.crt")
    assert refused.exit_code == 2
    assert f"--sha256 {ROOT.sha256}" in refused.stderr
    assert [one.name for one in layout.anchors.iterdir()] == ["company.crt"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("show",), "Give one of SOURCE, --mount and --issuer"),
        (("show", "--issuer", "Other/name"), "Other/name"),
        (("show", "no-such-file"), "no-such-file can't be read"),
        (("show", "https://[::1", "--sha256", ROOT.sha256), "no address"),
        (("show", "https://a b/", "--sha256", ROOT.sha256), "control characters"),
        (("install", "-", "--sha256", "12"), "no SHA-256 fingerprint"),
        (("remove",), "--sha256, --ended or --all"),
        (("install", "-", "--store", "nss", "--nss-dir", "/dev/null"), "certutil|cert9.db"),
    ],
)
def test_bad_input_is_told(words: tuple[str, ...], why: str) -> None:
    result = trust(*words, typed=ROOT.pem)
    assert result.exit_code == 2
    assert any(one in result.stderr for one in why.split("|"))


@needs_update
@pytest.mark.parametrize(
    ("typed", "code"),
    [(ROOT.sha256[:16].upper(), 0), ("0" * 16, 2), (ROOT.sha256[:8], 2)],
    ids=("it", "other", "short"),
)
def test_person_types_the_fingerprint_where_none_is_given(
    layout: SystemLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(
        "issuer.cli.trust.opening.sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    )
    (tmp_path / "root.crt").write_text(ROOT.pem)
    assert trust("install", tmp_path / "root.crt", typed=f"{typed}\n").exit_code == code
    assert (len(list(layout.anchors.iterdir())) == 2) == (code == 0)


def test_careless_certificates_of_others_cause_no_warning_on_the_terminal() -> None:
    """Java's own truststore has one whose serial number is 0."""
    with reported():
        warnings.warn("Parsed a serial number which wasn't positive (i.e., it was 0)", stacklevel=1)
