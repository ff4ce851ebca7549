"""Certificates that are renewed without a pause, and what became of each of their requests."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from testbed.cluster import Testbed
from testbed.kube import Object
from testbed.processes import PATIENCE
from tests.integration.support.common import CERT_MANAGER, REQUEST, ready
from tests.integration.support.renewal import renew, settled


@dataclass
class CertificateLoad:
    """Has each of some Certificates renewed again as soon as it was issued; sees every request there is.

    Attributes:
        requests: each request by its uid as it was seen last, also those that were deleted.
    """

    bed: Testbed
    namespace: str
    names: Sequence[str]
    requests: dict[str, Object] = field(default_factory=dict)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _seen: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        works: list[Callable[[], None]] = [
            self._watch,
            *(lambda name=one: self._renew(name) for one in self.names),
        ]
        self._threads = [threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in works]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        for thread in self._threads[1:]:
            thread.join(None if kind is None else 0)
        if kind is None:
            for name in self.names:
                self.bed.kube.wait(CERT_MANAGER, "Certificate", name, self.namespace, until=settled)
            self._threads[0].join()
        if kind is None and self._errors:
            raise self._errors[0]

    def wait_issued(self, count: int, group: str) -> None:
        """Wait until so many more requests of an issuer's group are issued than now."""
        with self._seen:
            wanted = self.issued(group) + count

            def enough() -> bool:
                return self.issued(group) >= wanted or bool(self._errors)

            held = self._seen.wait_for(enough, timeout=PATIENCE)
        if self._errors:
            raise self._errors[0]
        assert held, f"{self.issued(group)} requests of {group} are issued, and not {wanted}"

    def issued(self, group: str | None = None) -> int:
        """Return how many requests are issued, of all groups or one."""
        found = [one for one in self.requests.values() if ready(one).get("reason") == "Issued"]
        return sum(group in (None, one["spec"]["issuerRef"]["group"]) for one in found)

    def failures(self) -> list[str]:
        """Return what failed or was denied, each as name and message."""
        return [
            f"{one['metadata']['name']}: {ready(one).get('message')}"
            for one in self.requests.values()
            if ready(one).get("reason") in ("Failed", "Denied")
        ]

    def signed_again(self, signed: Sequence[str]) -> list[str]:
        """Return the keys in `signed` that stand there more often than requests were made for them."""
        asked = Counter(_key(one) for one in self.requests.values())
        return [key for key, times in Counter(signed).items() if key in asked and times > asked[key]]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # the test raises it
            with self._seen:
                self._errors.append(error)
                self._seen.notify_all()

    def _renew(self, name: str) -> None:
        while not self._stopped.is_set():
            renew(self.bed.kube, name, self.namespace)

    def _watch(self) -> None:
        path = self.bed.kube.path(CERT_MANAGER, REQUEST, None, self.namespace)
        listed = self.bed.kube.http.call("GET", path)
        for one in listed["items"]:
            self._note(one)
        version = listed["metadata"]["resourceVersion"]
        last = False
        while not last:
            last = self._stopped.is_set() and not any(one.is_alive() for one in self._threads[1:])
            query = f"?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={version}"
            for event in _events(self.bed.kube.http.call("GET", path + query)):
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._note(event["object"])

    def _note(self, request: Object) -> None:
        with self._seen:
            self.requests[request["metadata"]["uid"]] = request
            self._seen.notify_all()


def _events(answer: Any) -> list[Object]:
    if answer is None:
        return []
    return [answer] if isinstance(answer, dict) else [json.loads(line) for line in answer.splitlines()]


def _key(request: Object) -> str:
    csr = x509.load_pem_x509_csr(b64decode(request["spec"]["request"]))
    return sha256(csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
