"""Requests that arrive while something happens, and what became of each."""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from types import TracebackType

from cryptography import x509

from testbed.errors import TestbedError
from testbed.kube import Object, condition
from testbed.vaultpki import DOMAIN
from tests.builders import csr_pem
from tests.e2e.cluster import ISSUER, NAMESPACE, Cluster

API = "cert-manager.io/v1"
KIND = "CertificateRequest"
_numbers = count(1)


def new_request(name: str) -> Object:
    """A CertificateRequest for `NAME.lab.example.test`."""
    return {
        "apiVersion": API,
        "kind": KIND,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "issuerRef": {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": ISSUER},
            "request": base64.b64encode(csr_pem(f"{name}.{DOMAIN}")).decode(),
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }


@dataclass(slots=True)
class Arrivals:
    """Creates a request every so many seconds from entering the block to leaving it.

    `finish` waits for the last one and checks them all.
    """

    cluster: Cluster
    every: float = 0.25
    made: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _failure: TestbedError | None = None

    def __enter__(self) -> Arrivals:
        self._thread = threading.Thread(target=self._create, name="arrivals", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._ended.set()
        assert self._thread is not None
        self._thread.join()

    def _create(self) -> None:
        try:
            while not self._ended.wait(self.every):
                name = f"arrival-{next(_numbers)}"
                self.cluster.kube.create(new_request(name))
                self.made.append(name)
        except TestbedError as error:
            self._failure = error

    def wait(self, more: int) -> None:
        """Wait until so many more have been created."""
        wanted, deadline = len(self.made) + more, time.monotonic() + 120
        while len(self.made) < wanted and self._failure is None:
            assert time.monotonic() < deadline, "requests stopped arriving"
            time.sleep(0.05)

    def finish(self) -> float:
        """Assert that each was signed for its own key; returns the longest wait for one, in seconds."""
        assert self._failure is None, f"a request could not be created: {self._failure}"
        assert self.made
        waits = []
        for name in self.made:
            found = self.cluster.kube.wait(API, KIND, name, NAMESPACE, timeout=90)
            assert _key_of(found["status"]["certificate"]) == _csr_key(found["spec"]["request"]), name
            waits.append(_seconds(found))
        return max(waits)


def _key_of(certificate: str) -> object:
    return x509.load_pem_x509_certificate(base64.b64decode(certificate)).public_key()


def _csr_key(request: str) -> object:
    return x509.load_pem_x509_csr(base64.b64decode(request)).public_key()


def _seconds(request: Object) -> float:
    """From creation to Ready; the API server tells whole seconds."""
    ready = condition(request, "Ready")
    assert ready is not None
    first, last = (
        datetime.fromisoformat(text)
        for text in (request["metadata"]["creationTimestamp"], ready["lastTransitionTime"])
    )
    return (last - first).total_seconds()
