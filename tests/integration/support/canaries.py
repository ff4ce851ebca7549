"""What tests of the canary share: its rights and requests, what it measured, its command, an endpoint."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from issuer.controller.canary.history import Stage
from issuer.controller.canary.request import LABEL
from testbed.cluster import REPOSITORY, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object, load
from testbed.vaultpki import DOMAIN
from tests.integration.support.common import CERT_MANAGER, REQUEST
from tests.integration.support.waiting import wait_until

RIGHTS = REPOSITORY / "config" / "canary" / "rights" / "rbac.yaml"
NAME = f"canary.{DOMAIN}"
# So short that a test sees several runs; the issuer and Vault are given up sooner than a run.
QUICK = ("--canary-period=2", "--canary-timeout=2", "--issuer-check-period=1", "--vault-timeout=1")


def arguments(issuer: str, namespace: str, *more: str) -> list[str]:
    """Of a controller with a canary for a cluster issuer."""
    return [
        f"--canary=VaultClusterIssuer/{issuer}",
        f"--canary-namespace={namespace}",
        f"--canary-dns-name={NAME}",
        *QUICK,
        *more,
    ]


def rights(namespace: str) -> list[Object]:
    """What the prober needs, in that namespace."""
    found = load(RIGHTS)
    for one in found:
        one["metadata"]["namespace"] = namespace
    return found


def requests(bed: Testbed, namespace: str, maker: str | None = None) -> list[str]:
    """The canaries' requests that are there, of one maker or of all."""
    return [
        one["metadata"]["name"]
        for one in bed.kube.list(CERT_MANAGER, REQUEST, namespace)
        if (label := (one["metadata"].get("labels") or {}).get(LABEL)) and maker in (None, label)
    ]


@dataclass(frozen=True, slots=True)
class Probed:
    """What a controller's metrics say of an issuer's canary, by default a VaultClusterIssuer's."""

    controller: ControllerProcess
    issuer: str
    namespace: str = ""
    kind: str = ""

    def value(self, name: str, **labels: str) -> float | None:
        """One of the canary's series, None where it isn't there."""
        found = (value for told, value in self._series(name) if labels.items() <= told.items())
        return next(found, None)

    def broken(self) -> list[str]:
        """The stages that broke the last run."""
        failing = {told["stage"] for told, value in self._series("failing") if value == 1}
        return [one for one in Stage if one in failing]

    def _series(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """The labels and values of this canary's series of a name. Waits look often: only they are parsed."""
        kind = self.kind or ("VaultIssuer" if self.namespace else "VaultClusterIssuer")
        mine = {"kind": kind, "namespace": self.namespace, "name": self.issuer}
        start = f"vault_issuer_canary_{name}{{"
        lines = [one for one in self.controller.metrics().splitlines() if one.startswith(start)]
        for family in text_string_to_metric_families("\n".join([*lines, ""])):
            for sample in family.samples:
                if mine.items() <= sample.labels.items():
                    yield sample.labels, sample.value

    def successes(self) -> float:
        """How many runs went well."""
        return self.value("runs_total", result="success") or 0

    def wait_broken(self, stage: str) -> None:
        """Wait until that stage, and no other, is the broken one."""
        wait_until(lambda: self.broken() == [stage], lambda: f"{stage} never broke, but {self.told()[-3:]}")

    def wait_told(self, stage: str, words: str) -> None:
        """Wait until a run says these words of that stage: on a busy machine others may come first."""
        wait_until(
            lambda: any(words in one["message"] for one in self.told() if one["broken"] == stage),
            lambda: f"nothing says {words} of {stage}: {self.told()[-3:]}",
        )

    def wait_success(self) -> None:
        """Wait until two more runs went well: the first may have begun before."""
        wanted = self.successes() + 2
        wait_until(lambda: self.successes() >= wanted, lambda: f"it never recovered: {self.told()[-3:]}")
        assert self.broken() == []

    def told(self) -> list[dict[str, Any]]:
        """The canary's lines of the log."""
        lines = [json.loads(one) for one in self.controller.log.read_text().splitlines() if one[:1] == "{"]
        return [one for one in lines if one.get("event") == "canary" and self.issuer in one["issuer"]]


def probing(bed: Testbed, issuer: str, namespace: str, *more: str) -> list[str]:
    """The words behind `vault-issuer` by which an administrator of the cluster runs a canary."""
    return [
        "canary",
        f"VaultClusterIssuer/{issuer}",
        f"--namespace={namespace}",
        f"--dns-name={NAME}",
        f"--kubeconfig={bed.kubeconfig}",
        *more,
    ]


class TLSServer:
    """An endpoint on loopback that serves what it was last given, as PEM."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._context: ssl.SSLContext | None = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """host:port."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def serve(self, chain: bytes, key: bytes) -> None:
        """From now on, this."""
        certificate, secret = self._directory / "tls.crt", self._directory / "tls.key"
        certificate.write_bytes(chain)
        secret.write_bytes(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, secret)
        self._context = context

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.settimeout(5)
                if self._context is not None:
                    with self._context.wrap_socket(connection, server_side=True) as speaking:
                        speaking.recv(1)
