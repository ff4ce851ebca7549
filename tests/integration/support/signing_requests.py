"""Kubernetes CertificateSigningRequests as users and administrators handle them."""

from __future__ import annotations

import base64
import time
from typing import Any

from cryptography import x509

from testbed.cluster import Testbed
from testbed.kube import Kube, Object
from testbed.processes import PATIENCE
from testbed.vaultpki import DOMAIN
from tests.builders import csr_pem
from tests.integration.support.common import condition, rewrite

CERTIFICATES = "certificates.k8s.io/v1"
CSR = "CertificateSigningRequest"
CLUSTER = "vaultclusterissuers.vault-issuer.io"
NAMESPACED = "vaultissuers.vault-issuer.io"
RBAC = "rbac.authorization.k8s.io"


def signing_request(
    name: str,
    signer: str,
    *,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A CertificateSigningRequest for ``NAME.lab.example.test``."""
    return {
        "apiVersion": CERTIFICATES,
        "kind": CSR,
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {
            "signerName": signer,
            "request": base64.b64encode(csr_pem(f"{name}.{DOMAIN}")).decode(),
            "usages": ["digital signature", "key encipherment"],
            **spec,
        },
    }


def ask(who: Kube, name: str, signer: str, **more: Any) -> Object:
    """Create a CertificateSigningRequest."""
    return who.create(signing_request(name, signer, **more))


def decide(bed: Testbed, name: str, kind: str = "Approved") -> None:
    """Approve or deny, as `kubectl certificate` does; tried again when somebody else writes."""
    said = {"type": kind, "status": "True", "reason": "Test", "message": "decided by a test"}

    def edit(found: Object) -> None:
        status = found.setdefault("status", {})
        status["conditions"] = [*status.get("conditions", []), said]

    rewrite(bed.kube, lambda: bed.kube.get(CERTIFICATES, CSR, name), edit, "approval")


def ask_approved(bed: Testbed, who: Kube, name: str, signer: str, **more: Any) -> None:
    """Create one and have the administrator approve it."""
    ask(who, name, signer, **more)
    decide(bed, name)


def wait_signed(bed: Testbed, name: str, timeout: float = PATIENCE) -> list[x509.Certificate]:
    """Wait for the certificate; leaf and intermediates."""
    found = bed.kube.wait(
        CERTIFICATES, CSR, name, until=lambda obj: bool(obj["status"].get("certificate")), timeout=timeout
    )
    return x509.load_pem_x509_certificates(base64.b64decode(found["status"]["certificate"]))


def wait_failed(bed: Testbed, name: str) -> dict[str, Any]:
    """Wait for the condition Failed; the condition."""
    return condition(
        bed.kube.wait(CERTIFICATES, CSR, name, until=lambda obj: bool(condition(obj, "Failed"))), "Failed"
    )


def events(bed: Testbed, name: str) -> list[Object]:
    """The events about a request."""
    found = bed.kube.list("events.k8s.io/v1", "Event", "default")
    return [one for one in found if (one["regarding"]["kind"], one["regarding"]["name"]) == (CSR, name)]


def wait_told(bed: Testbed, name: str, *words: str) -> Object:
    """Wait for a Warning event on the request with these words in it; the event."""
    for _ in range(1200):
        for event in events(bed, name):
            if event["type"] == "Warning" and all(word in event["note"] for word in words):
                return event
        time.sleep(0.1)
    raise AssertionError(f"{name} was never told {words}: {[one['note'] for one in events(bed, name)]}")


def may(bed: Testbed, role: str, subject: dict[str, str], rule: Object, namespace: str | None = None) -> None:
    """Grant one rule to one subject, in a namespace or in the whole cluster."""
    prefix, where = ("", {"namespace": namespace}) if namespace else ("Cluster", {})
    meta = {"name": role, **where}
    bed.kube.apply(
        [
            {"apiVersion": f"{RBAC}/v1", "kind": f"{prefix}Role", "metadata": meta, "rules": [rule]},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{prefix}RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": role},
                "subjects": [subject],
            },
        ]
    )
