"""etcd and kube-apiserver: the parts of Kubernetes that a controller talks to, without nodes or pods.

There is no kube-controller-manager: nothing makes `default` ServiceAccounts, and only `KubeControllers`,
which few tests ask for, deletes what a deleted owner leaves and finishes the deletion of a namespace.
"""

from __future__ import annotations

import base64
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from testbed.certs import write_private, write_server, write_signing_key
from testbed.errors import TestbedError
from testbed.kube import Kube
from testbed.processes import LOOPBACK, Process, free_port, retry_ports
from testbed.servers import Program

ISSUER = "https://kubernetes.default.svc"
SERVICE_RANGE = "10.96.0.0/16"
# How pods reach the API server: by the Service `kubernetes`.
SERVICE_ADDRESS = "10.96.0.1"
SERVICE_NAMES = ("kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class Etcd:
    """One etcd member on loopback; it doesn't sync to disk, as nothing here outlives the testbed."""

    def __init__(self, program: Program, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self._directory = directory
        self.process = Process("etcd", directory / "etcd.log")
        self.url = ""

    def start(self) -> None:
        """Start it and wait until it serves."""
        retry_ports(self._launch)

    def _launch(self) -> None:
        self.url, peer = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
        self.process.start(
            [
                self._program.path,
                f"--data-dir={self._directory / 'data'}",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
                "--log-level=info",
                "--quota-backend-bytes=4294967296",
            ]
        )
        # Its own log, because another etcd may have won the port and would answer in its stead.
        self.process.wait_ready(
            lambda: "ready to serve client requests" in self.process.output() and self._healthy()
        )

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return b'"true"' in answer.read()
        except (urllib.error.URLError, OSError):
            return False


class APIServer:
    """kube-apiserver with RBAC, ServiceAccount tokens and TLS of its own CA.

    Attributes:
        server: ``https://ADDRESS:PORT``, on loopback unless told otherwise; stays the same over ``stop`` and
            ``start``.
        token: bearer token of ``admin`` in ``system:masters``.
        ca_file: PEM of the CA.
        signing_key: file of the key that signs ServiceAccount tokens.
        audit_log: file with one JSON object a request, when asked for.
    """

    def __init__(
        self,
        program: Program,
        directory: Path,
        *,
        audit: bool,
        extra: tuple[str, ...] = (),
        address: str = LOOPBACK,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self._directory = directory
        self._extra = extra
        self._address = address
        self._tls = write_server(directory, "kube-apiserver", [address, SERVICE_ADDRESS, *SERVICE_NAMES])
        self.signing_key, self._public_key = write_signing_key(directory)
        self.process = Process("kube-apiserver", directory / "kube-apiserver.log")
        self.ca_file = self._tls.ca
        self.audit_log = directory / "audit.log" if audit else None
        self.token = secrets.token_urlsafe(32)
        self.server = ""
        self._command: list[str | Path] = []

    def start(self, etcd: str) -> Kube:
        """Start it for the first time and return the administrator's client."""
        line = f"{self.token},admin,admin,system:masters\n"
        write_private(self._directory / "tokens.csv", line.encode())
        retry_ports(lambda: self._first_launch(etcd))
        return Kube(self.server, self.ca_file, self.token)

    def _first_launch(self, etcd: str) -> None:
        port = free_port()
        self.server = f"https://{self._address}:{port}"
        self._command = [self._program.path, *self._flags(etcd, port), *self._extra]
        self.restart()

    def restart(self) -> None:
        """Start it again after ``stop``, on the same port."""
        self.process.start(self._command)
        probe = Kube(self.server, self.ca_file, self.token)
        try:
            self.process.wait_ready(lambda: self._ready(probe))
        finally:
            probe.close()

    @staticmethod
    def _ready(probe: Kube) -> bool:
        try:
            return bool(probe.http.call("GET", "/readyz", timeout=5) == "ok")
        except TestbedError:
            return False

    def stop(self) -> None:
        """Stop it; etcd keeps the data."""
        # Its graceful end waits for watches, which clients hold for minutes.
        self.process.stop(grace=0)

    def _flags(self, etcd: str, port: int) -> list[str]:
        flags: dict[str, Any] = {
            "etcd-servers": etcd,
            "bind-address": self._address,
            "advertise-address": self._address,
            "secure-port": port,
            "tls-cert-file": self._tls.cert,
            "tls-private-key-file": self._tls.key,
            "token-auth-file": self._directory / "tokens.csv",
            "authorization-mode": "RBAC",
            "service-account-issuer": ISSUER,
            "service-account-key-file": self._public_key,
            "service-account-signing-key-file": self.signing_key,
            "service-cluster-ip-range": SERVICE_RANGE,
            # Without a node there is no service network, and the Service `kubernetes` needs no endpoints.
            "endpoint-reconciler-type": "none" if self._address == LOOPBACK else "lease",
            "allow-privileged": "true",
            "v": 1,
        }
        if self.audit_log is not None:
            policy = self._directory / "audit-policy.yaml"
            policy.write_text(yaml.safe_dump(_AUDIT_POLICY))
            flags |= {"audit-policy-file": policy, "audit-log-path": self.audit_log}
        return [f"--{name}={value}" for name, value in flags.items()]


class KubeControllers:
    """Kubernetes' own namespace controller, garbage collector and role aggregation, as the administrator."""

    def __init__(self, program: Program, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self.process = Process("kube-controllers", directory / "kube-controllers.log")

    def start(self, kubeconfig: Path) -> None:
        """Start them and wait until they run."""
        self.process.start([self._program.path, f"--kubeconfig={kubeconfig}"])
        self.process.wait_ready(lambda: "started:" in self.process.output())


def kubeconfig(server: str, ca_file: Path, token: str, user: str) -> dict[str, Any]:
    """A kubeconfig for a bearer token, with the CA inside."""
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "testbed", "cluster": {"server": server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    }


def write_kubeconfig(path: Path, server: str, ca_file: Path, token: str, user: str) -> Path:
    """Write it, readable by its owner only, and return the path."""
    write_private(path, yaml.safe_dump(kubeconfig(server, ca_file, token, user)).encode())
    return path
