"""cert-manager's real controllers, approver and admission webhook, each under its own ServiceAccount."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.certs import ServerFiles, write_server
from testbed.processes import LOOPBACK, Process, free_port, retry_ports

NAMESPACE = "cert-manager"
CONTROLLER_ACCOUNT = "cert-manager"
WEBHOOK_ACCOUNT = "cert-manager-webhook"
APPROVER = "certificaterequests-approver"
CONTROLLERS = (
    "certificates-trigger",
    "certificates-key-manager",
    "certificates-request-manager",
    "certificates-issuing",
    "certificates-readiness",
    "certificates-revision-manager",
    APPROVER,
)
# Certificates for annotated Ingresses and Gateways; they need testbed/objects/certificate-shim.yaml.
SHIM_CONTROLLERS = ("ingress-shim", "gateway-shim")
OWN_ISSUER_CONTROLLERS = ("issuers", "clusterissuers", "certificaterequests-issuer-vault")


class Controllers:
    """The certificate controllers; one process as in cert-manager."""

    def __init__(self, program: Path, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self.process = Process("cert-manager", directory / "cert-manager.log")

    def start(
        self, kubeconfig: Path, names: Sequence[str], minimum_backoff: str, *, extra_protocols: str = ""
    ) -> None:
        """Start the named controllers and wait until they run.

        Args:
            kubeconfig: of the controllers' ServiceAccount.
            names: as in ``CONTROLLERS``.
            minimum_backoff: Go duration a Certificate waits after a failed request (cert-manager: ``1h``).
            extra_protocols: cert-manager's `gatewayAPI.extraProtocols`, separated by commas.
        """
        self.process.start(
            [
                self._program,
                "controller",
                f"--kubeconfig={kubeconfig}",
                f"--controllers={','.join(names)}",
                f"--minimum-backoff={minimum_backoff}",
                f"--cluster-resource-namespace={NAMESPACE}",
                f"--enable-gateway-api={str(SHIM_CONTROLLERS[1] in names).lower()}",
                f"--gateway-api-extra-protocols={extra_protocols}",
            ]
        )
        self.process.wait_ready(lambda: "started:" in self.process.output())


class Webhook:
    """The admission webhook, called by the API server at a URL: on loopback, or at ``address``."""

    def __init__(self, program: Path, directory: Path, address: str = LOOPBACK) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._program = program
        self._address = address
        self._tls: ServerFiles = write_server(directory, "cert-manager-webhook", [address])
        self.process = Process("cert-manager webhook", directory / "webhook.log")
        self.port = 0

    def start(self, kubeconfig: Path) -> None:
        """Start it and wait until it serves TLS with our certificate."""
        retry_ports(lambda: self._launch(kubeconfig))

    def _launch(self, kubeconfig: Path) -> None:
        self.port = free_port()
        self.process.start(
            [
                self._program,
                "webhook",
                f"--kubeconfig={kubeconfig}",
                f"--port={self.port}",
                f"--healthz-port={free_port()}",
                f"--cert={self._tls.cert}",
                f"--key={self._tls.key}",
            ]
        )
        tls = ssl.create_default_context(cafile=str(self._tls.ca))
        self.process.wait_ready(lambda: self._serves(tls))

    def _serves(self, tls: ssl.SSLContext) -> bool:
        try:
            with (
                socket.create_connection((LOOPBACK, self.port), timeout=5) as raw,
                tls.wrap_socket(raw, server_hostname=LOOPBACK),
            ):
                return True
        except OSError:
            return False

    def configurations(self) -> list[dict[str, Any]]:
        """The two webhook configurations, with the rules of cert-manager's chart."""
        requests = [_rule(["cert-manager.io"], ["CREATE"], "certificaterequests")]
        everything = [_rule(["cert-manager.io", "acme.cert-manager.io"], ["CREATE", "UPDATE"], "*/*")]
        return [
            self._configuration("MutatingWebhookConfiguration", "mutate", requests),
            self._configuration("ValidatingWebhookConfiguration", "validate", everything),
        ]

    def _configuration(self, kind: str, path: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
        client = {
            "url": f"https://{self._address}:{self.port}/{path}",
            "caBundle": base64.b64encode(self._tls.ca_pem.encode()).decode(),
        }
        webhook = {
            "name": "webhook.cert-manager.io",
            "clientConfig": client,
            "rules": rules,
            "admissionReviewVersions": ["v1"],
            "matchPolicy": "Equivalent",
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 30,
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "cert-manager-webhook"},
            "webhooks": [webhook],
        }


def _rule(groups: list[str], operations: list[str], resources: str) -> dict[str, Any]:
    return {"apiGroups": groups, "apiVersions": ["v1"], "operations": operations, "resources": [resources]}
