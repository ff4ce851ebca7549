"""Issuers of both kinds on a step-ca of their own, which tests may reconfigure and rotate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import API_VERSION, secret
from testbed.stepca import PROVISIONER, StepCA
from testbed.vaultpki import DOMAIN
from tests.integration.support.common import ready, request_object
from tests.integration.support.forwarding_server import Answer, ForwardingServer
from tests.integration.support.trust import TRUSTED, trust_rights

SECRET = "step-ca-provisioner"
PASSWORD_VARIABLE, PASSWORD_FILE = "STEP_PASSWORD", "password"
DENIED = f"denied.{DOMAIN}"
LIMITED = "limited"
"""A provisioner with the key of the other one, and claims."""
CLUSTER, NAMESPACED = "StepClusterIssuer", "StepIssuer"


@dataclass(frozen=True, slots=True)
class Issuers:
    """Issuers of both kinds that sign by the provisioner of one step-ca."""

    bed: Testbed
    ca: StepCA
    controller: ControllerProcess
    folder: Path

    def spec(self, **more: Any) -> dict[str, Any]:
        """The spec that step-issuer takes, and more; None leaves a field out."""
        server = {"url": self.ca.url, "caBundle": self.ca.ca_bundle}
        return _given({**server, "provisioner": self.provisioner(), **more})

    def provisioner(self, **changed: Any) -> dict[str, Any]:
        """The provisioner of a spec; None leaves a field out."""
        reference = {"name": SECRET, "key": "password"}
        made = {"name": PROVISIONER, "kid": self.ca.kid, "passwordRef": reference}
        return _given({**made, **changed})

    def store(self, namespace: str = SYSTEM_NAMESPACE, password: str | None = None) -> None:
        """Put the password into its Secret, with a line end, as `echo` does."""
        text = self.ca.password if password is None else password
        self.bed.kube.apply(secret(SECRET, namespace, password=f"{text}\n"))

    def apply(self, name: str, namespace: str = "", **more: Any) -> None:
        """Write an issuer, of the cluster or of a namespace."""
        kind, where = (NAMESPACED, {"namespace": namespace}) if namespace else (CLUSTER, {})
        meta = {"name": name, **where}
        spec = self.spec(**more)
        self.bed.kube.apply({"apiVersion": API_VERSION, "kind": kind, "metadata": meta, "spec": spec})

    def wait_ready(self, name: str, namespace: str = "") -> Object:
        """Wait until it is Ready."""
        return self.bed.kube.wait(API_VERSION, NAMESPACED if namespace else CLUSTER, name, namespace or None)

    def wait_reason(self, name: str, reason: str) -> str:
        """Wait until the cluster issuer has that reason; its message."""
        found = self.bed.kube.wait(
            API_VERSION, CLUSTER, name, until=lambda obj: ready(obj).get("reason") == reason
        )
        return str(ready(found)["message"])

    def request(self, name: str, namespace: str, issuer: str, kind: str = CLUSTER, **more: Any) -> None:
        """Create a request for a certificate."""
        self.bed.kube.create(request_object(name, namespace, issuer, kind=kind, **more))


@contextmanager
def step_issuers(bed: Testbed, ca: StepCA, folder: Path) -> Iterator[Issuers]:
    """Start the CA, and a controller that reads passwords of the folder; with its cluster issuer `step`."""
    ca.start()
    ca.configure(_another_provisioner_and_a_denied_name)
    ca.restart()
    (folder / PASSWORD_FILE).write_text(f"{ca.password}\n")
    flags = [
        "--issuer-check-period=2",
        "--password-variable=NOT_SET",
        f"--password-variable={PASSWORD_VARIABLE}",
        f"--password-folder={folder}",
        f"--trust-config-map={TRUSTED}",
    ]
    # The CAs that the controller's system trusts: what an issuer without caBundle goes by.
    env = {"SSL_CERT_FILE": str(ca.root_file), PASSWORD_VARIABLE: ca.password}
    try:
        with trust_rights(bed), ControllerProcess(bed, flags, env=env) as controller:
            made = Issuers(bed, ca, controller, folder)
            made.store()
            made.apply("step")
            made.wait_ready("step")
            yield made
            for one in bed.kube.list(API_VERSION, CLUSTER):
                bed.kube.delete(API_VERSION, CLUSTER, one["metadata"]["name"])
    finally:
        ca.close()


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _another_provisioner_and_a_denied_name(config: dict[str, Any]) -> None:
    authority = config["authority"]
    claims = {"minTLSCertDuration": "10m", "maxTLSCertDuration": "2h", "defaultTLSCertDuration": "1h"}
    limited = {**authority["provisioners"][0], "name": LIMITED, "claims": claims}
    authority["provisioners"] += [{"type": "ACME", "name": "acme"}, limited]
    authority["policy"] = {
        "x509": {"allow": {"dns": ["*.example.test", f"*.{DOMAIN}"]}, "deny": {"dns": [DENIED]}}
    }


class TroubledServer(ForwardingServer):
    """A proxy before step-ca that answers every call by `trouble`, a status, while there is one."""

    trouble = 0

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The CA's answer, or a page with that status."""
        return (self.trouble, b"<html>") if self.trouble else self.relay(method, path, headers, body)
