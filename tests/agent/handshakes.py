"""Constant new handshakes with servers, and readers of their files: what fails is counted."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from issuer.endpoint.address import EndpointAddress

SECONDS = 20.0
"""Seconds after which a handshake counts as failed."""
_ASKED = b"GET / HTTP/1.0\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """Handshakes and failures of one server, and the serial numbers that were seen."""

    handshakes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    serials: set[str] = field(default_factory=set)


class Handshaking:
    """Threads that shake hands with each server again and again, each time anew; use as a context manager.

    A handshake counts as good if the certificate verifies to the root, for the name, and the answer to a
    request came whole. Each thread waits for `pause` seconds after each.
    """

    def __init__(
        self,
        servers: dict[str, EndpointAddress],
        root: Path,
        name: str,
        threads: int = 1,
        *,
        pause: float = 0.0,
    ) -> None:
        self._pause = pause
        self._context = ssl.create_default_context(cafile=str(root))
        self._name = name
        self._over = threading.Event()
        self._change = threading.Condition()
        self.tallies = {server: Tally() for server in servers}
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(server, address))
            for server, address in servers.items()
            for _ in range(threads)
        ]

    @property
    def count(self) -> int:
        """The number of handshakes so far."""
        return sum(one.handshakes for one in self.tallies.values())

    @property
    def failed(self) -> dict[str, dict[str, int]]:
        """What failed, by server and reason; empty if nothing did."""
        return {server: dict(one.failures) for server, one in self.tallies.items() if one.failures}

    def wait_for(self, count: int) -> None:
        """Wait until there were so many handshakes."""
        with self._change:
            self._change.wait_for(lambda: self.count >= count)

    def __enter__(self) -> Handshaking:
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _again_and_again(self, server: str, address: EndpointAddress) -> None:
        tally = self.tallies[server]
        while not self._over.wait(self._pause):
            try:
                serial, problem = self._shake((address.host, address.port)), ""
            except (OSError, ValueError) as error:
                said = getattr(error, "verify_message", None) or getattr(error, "reason", None) or error
                serial, problem = "", f"{type(error).__name__}: {said}"
            with self._change:
                tally.handshakes += 1
                if problem:
                    tally.failures[problem] += 1
                else:
                    tally.serials.add(serial)
                self._change.notify_all()

    def _shake(self, address: tuple[str, int]) -> str:
        with (
            socket.create_connection(address, SECONDS) as raw,
            self._context.wrap_socket(raw, server_hostname=self._name) as tls,
        ):
            serial = str((tls.getpeercert() or {})["serialNumber"])
            tls.sendall(_ASKED)
            answer = b""
            while more := tls.recv(4096):
                answer += more
        if not answer.endswith(b"ok"):
            raise ValueError("the answer is not whole")
        return serial


class PairReading:
    """A thread that reads keys and certificates as two files, and combined ones; counts what doesn't fit.

    It waits for `pause` seconds after all folders.
    """

    def __init__(self, folders: Iterable[Path], *, pause: float = 0.0005) -> None:
        self._pause = pause
        self._folders = tuple(folders)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._judged: dict[bytes, bool] = {}
        self.pairs = self.straddled = self.combined = self.broken = 0

    def __enter__(self) -> PairReading:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            for folder in self._folders:
                key, certificate = (folder / "tls.key").read_bytes(), (folder / "tls.crt").read_bytes()
                self.pairs += 1
                self.straddled += not self._fits(key, certificate)
                whole = (folder / "combined.pem").read_bytes()
                self.combined += 1
                self.broken += not self._fits(whole, whole)

    def _fits(self, key: bytes, certificate: bytes) -> bool:
        digest = hashlib.sha256(key + b"\0" + certificate).digest()
        if digest not in self._judged:
            self._judged[digest] = fits(key, certificate)
        return self._judged[digest]


def fits(key: bytes, certificates: bytes) -> bool:
    """True if the first certificate is that of the key; False if either is no whole PEM."""
    try:
        private = load_pem_private_key(key, None)
        return x509.load_pem_x509_certificates(certificates)[0].public_key() == private.public_key()
    except (ValueError, IndexError):
        return False
