"""The real approver-policy, the peer whose decisions ours are compared with, under its own ServiceAccount.

It makes its own serving certificate for ``SERVICE.NAMESPACE.svc`` and keeps the CA in a Secret. The API
server reaches it on loopback through a Service of type ExternalName, so name and certificate agree unchanged.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from testbed.kube import Kube, Object
from testbed.processes import LOOPBACK, Process, free_port, retry_ports

NAMESPACE = "cert-manager"
ACCOUNT = "cert-manager-approver-policy"
API_VERSION = "policy.cert-manager.io/v1alpha1"
POLICY_KIND = "CertificateRequestPolicy"
_SECRET = f"{ACCOUNT}-tls"
_VALIDATE = "/validate-policy-cert-manager-io-v1alpha1-certificaterequestpolicy"


class ApproverPolicy:
    """One process: the controller that approves and denies, and the webhook that refuses bad policies."""

    def __init__(self, program: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self.process = Process("approver-policy", directory / "approver-policy.log")
        self.webhook_port = 0

    def start(self, kubeconfig: Path, *, workers: int = 8) -> None:
        """Start it and wait until it is ready, webhook included; ``workers`` requests are judged at once."""
        retry_ports(lambda: self._launch(kubeconfig, workers))

    def _launch(self, kubeconfig: Path, workers: int) -> None:
        self.webhook_port, health = free_port(), free_port()
        self.process.start(
            [
                self._program,
                f"--kubeconfig={kubeconfig}",
                f"--leader-election-namespace={NAMESPACE}",
                "--metrics-bind-address=0",
                f"--readiness-probe-bind-address={LOOPBACK}:{health}",
                f"--webhook-host={LOOPBACK}",
                f"--webhook-port={self.webhook_port}",
                f"--webhook-service-name={ACCOUNT}",
                f"--webhook-ca-secret-namespace={NAMESPACE}",
                f"--webhook-ca-secret-name={_SECRET}",
                f"--certificaterequest-max-concurrent-reconciles={workers}",
                f"--certificaterequestpolicy-max-concurrent-reconciles={workers}",
            ]
        )
        self.process.wait_ready(lambda: _answers(f"http://{LOOPBACK}:{health}/readyz"))

    def register_webhook(self, kube: Kube) -> None:
        """Have the API server ask it about every policy that is written, as its chart does."""
        secret = kube.wait("v1", "Secret", _SECRET, NAMESPACE, until=lambda found: "ca.crt" in _data(found))
        kube.apply([self._service(), self._configuration(_data(secret)["ca.crt"])])

    def _service(self) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }

    def _configuration(self, authority: str) -> Object:
        service = {
            "name": ACCOUNT,
            "namespace": NAMESPACE,
            "path": _VALIDATE,
            "port": self.webhook_port,
        }
        rule = {
            "apiGroups": ["policy.cert-manager.io"],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["certificaterequestpolicies"],
        }
        webhook = {
            "name": "policy.cert-manager.io",
            "clientConfig": {"service": service, "caBundle": authority},
            "rules": [rule],
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 10,
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": ACCOUNT},
            "webhooks": [webhook],
        }


def _data(secret: Object) -> dict[str, Any]:
    return secret.get("data") or {}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
