"""The same test for both kinds of issuer: where each finds its Secrets, and who may use it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

import pytest
from cryptography import x509

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import grant_issuer_access
from testbed.kube import Object
from testbed.samples import API_VERSION, vault_cluster_issuer, vault_issuer
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    condition,
    request,
    secret,
    wait_issued,
    wait_ready,
    wait_reason,
)
from tests.sizes import LONGER

ACCOUNT = "vault-login"
BY_CLUSTER_ISSUER: Final = ["cluster", pytest.param("namespaced", marks=LONGER)]
"""Parameters of `scope` for a test of what knows no kind of issuer."""


@dataclass(frozen=True, slots=True)
class Scope:
    """An issuer named ``name`` of one kind; ``namespace`` is where requests for it are made.

    A cluster issuer's Secrets and ServiceAccounts are in the cluster resource namespace, a namespaced
    issuer's in its own; ``home`` is that namespace.
    """

    bed: Testbed
    name: str
    namespace: str
    cluster: bool = True

    @property
    def kind(self) -> str:
        """Kind of the issuer."""
        return "VaultClusterIssuer" if self.cluster else "VaultIssuer"

    @property
    def home(self) -> str:
        """Where the issuer's Secrets and ServiceAccounts are."""
        return SYSTEM_NAMESPACE if self.cluster else self.namespace

    @property
    def audience(self) -> str:
        """The audience that only this issuer's ServiceAccount tokens have."""
        return f"vault://{self.name}" if self.cluster else f"vault://{self.namespace}/{self.name}"

    @property
    def credentials(self) -> str:
        """Name of the Secret that ``store`` writes."""
        return f"{self.name}-credentials"

    @property
    def ca_secret(self) -> str:
        """Name of one more Secret the controller may read, for a CA bundle."""
        return f"{self.name}-ca"

    @property
    def _namespace(self) -> str | None:
        return None if self.cluster else self.namespace

    def grant(self) -> None:
        """What an administrator grants the controller in a namespace with VaultIssuers."""
        if not self.cluster:
            names = [self.credentials, self.ca_secret]
            grant_issuer_access(self.bed, self.namespace, secrets=names, service_accounts=[ACCOUNT])

    def store(self, **data: str) -> None:
        """Write the issuer's Secret."""
        self.bed.kube.apply(secret(self.credentials, self.home, **data))

    def reference(self, key: str) -> dict[str, str]:
        """A selector of one key of the issuer's Secret."""
        return {"name": self.credentials, "key": key}

    def apply(self, auth: dict[str, Any], **more: Any) -> None:
        """Apply the issuer; ``more`` goes into ``spec.vault``, None takes a field out."""
        issuer = self.issuer(auth, **more)
        self.bed.kube.apply(issuer)

    def apply_with_token(self, token: str, own: dict[str, Any] | None = None, **more: Any) -> None:
        """Apply the issuer with a token in its Secret; ``own`` stands beside ``spec.vault``."""
        self.grant()
        self.store(token=token)
        issuer = self.issuer({"tokenSecretRef": self.reference("token")}, **more)
        issuer["spec"].update(own or {})
        self.bed.kube.apply(issuer)

    def issuer(self, auth: dict[str, Any], **more: Any) -> Object:
        """The issuer's manifest."""
        if self.cluster:
            found = vault_cluster_issuer(self.bed, self.name, auth)
        else:
            found = vault_issuer(self.bed, self.name, self.namespace, auth)
        vault = {**found["spec"]["vault"], **more}
        found["spec"]["vault"] = {key: value for key, value in vault.items() if value is not None}
        return found

    def wait_ready(self) -> str:
        """Wait until the issuer is Ready; its message."""
        issuer = wait_ready(self.bed, self.name, self._namespace)
        return str(issuer["status"]["conditions"][0]["message"])

    def wait_checked(self) -> None:
        """Wait until the issuer is Ready as it is written now."""

        def holds(found: Object) -> bool:
            one = condition(found, "Ready")
            return (one.get("status"), one.get("observedGeneration")) == (
                "True",
                found["metadata"]["generation"],
            )

        self.bed.kube.wait(API_VERSION, self.kind, self.name, self._namespace, until=holds)

    def wait_reason(self, reason: str) -> str:
        """Wait until the issuer is not Ready for that reason; the message."""
        return wait_reason(self.bed, self.name, reason, self._namespace)

    def request(self, name: str = "one", **more: Any) -> None:
        """Create a CertificateRequest; ``more`` is ``support.request``'s."""
        request(self.bed, name, self.namespace, self.name, kind=self.kind, **more)

    def issue(self, name: str = "one", **more: Any) -> Object:
        """Create a CertificateRequest and wait until it is issued; the request."""
        self.request(name, **more)
        return wait_issued(self.bed, name, self.namespace)

    def works(self) -> str:
        """The issuer becomes Ready and signs; its message."""
        message = self.wait_ready()
        self.issue()
        return message

    def delete(self) -> None:
        """Delete the issuer."""
        self.bed.kube.delete(API_VERSION, self.kind, self.name, self._namespace)


def certificates_of(request: Object) -> list[x509.Certificate]:
    """``status.certificate`` of a request: leaf first."""
    return x509.load_pem_x509_certificates(base64.b64decode(request["status"]["certificate"]))


def sweep(bed: Testbed) -> None:
    """Delete every issuer of ours and every Certificate and request, so that later modules have quiet."""
    kinds = (
        (CERT_MANAGER, "Certificate"),
        (API_VERSION, "VaultIssuer"),
        (API_VERSION, "VaultClusterIssuer"),
        (CERT_MANAGER, REQUEST),
    )
    for api_version, kind in kinds:
        for found in bed.kube.list(api_version, kind):
            meta = found["metadata"]
            bed.kube.delete(api_version, kind, meta["name"], meta.get("namespace"))
