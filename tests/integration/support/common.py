"""What integration tests do over and over: issuers, requests, and waiting for their conditions."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import HTTPError
from testbed.kube import Kube, Object
from testbed.processes import PATIENCE
from testbed.samples import API_VERSION, everything_policy, vault_cluster_issuer, vault_issuer
from testbed.samples import secret as secret  # the tests have it from here
from testbed.vaultpki import DOMAIN
from tests.builders import csr_pem

CERT_MANAGER = "cert-manager.io/v1"
REQUEST = "CertificateRequest"
LAB = {"dnsNames": {"values": ["*.lab.example.test"]}, "usages": ["digital signature", "key encipherment"]}
"""Names and usages that a policy of the lab allows: those that Certificates have by default."""
ADMISSION = REPOSITORY / "config" / "admission"
"""What holds the controller's account to requests of our own groups; optional in the chart."""


def token_auth(name: str, key: str = "token") -> dict[str, Any]:
    """``spec.vault.auth`` with a token in a Secret."""
    return {"tokenSecretRef": {"name": name, "key": key}}


def cluster_issuer_with_token(bed: Testbed, name: str, token: str, **more: Any) -> Object:
    """A VaultClusterIssuer and its token's Secret, applied; not waited for."""
    bed.kube.apply(secret(f"{name}-token", SYSTEM_NAMESPACE, token=token))
    issuer = vault_cluster_issuer(bed, name, token_auth(f"{name}-token"), **more)
    bed.kube.apply(issuer)
    return issuer


def namespaced_issuer_with_token(bed: Testbed, name: str, namespace: str, token: str, **more: Any) -> Object:
    """A VaultIssuer and its token's Secret, applied; not waited for."""
    bed.kube.apply(secret(f"{name}-token", namespace, token=token))
    issuer = vault_issuer(bed, name, namespace, token_auth(f"{name}-token"), **more)
    bed.kube.apply(issuer)
    return issuer


def wait_ready(bed: Testbed, name: str, namespace: str | None = None, *, until: str = "Ready") -> Object:
    """Wait for an issuer's Ready condition; the issuer."""
    kind = "VaultIssuer" if namespace else "VaultClusterIssuer"
    return bed.kube.wait(API_VERSION, kind, name, namespace, until=until)


def wait_reason(bed: Testbed, name: str, reason: str, namespace: str | None = None) -> str:
    """Wait until the issuer is not Ready for that reason; the message."""
    kind = "VaultIssuer" if namespace else "VaultClusterIssuer"

    def holds(obj: Object) -> bool:
        found = ready(obj)
        return found.get("status") == "False" and found.get("reason") == reason

    return str(ready(bed.kube.wait(API_VERSION, kind, name, namespace, until=holds))["message"])


def delete_issuer(bed: Testbed, name: str, namespace: str | None = None) -> None:
    """Delete an issuer, so that later tests have quiet."""
    bed.kube.delete(API_VERSION, "VaultIssuer" if namespace else "VaultClusterIssuer", name, namespace)


def request_object(
    name: str,
    namespace: str,
    issuer: str,
    *,
    kind: str = "VaultClusterIssuer",
    csr: bytes | str | None = None,
    **spec: Any,
) -> Object:
    """A CertificateRequest for ``NAME.lab.example.test``; ``csr`` is PEM, or the raw field's text."""
    raw = csr_pem(f"{name}.{DOMAIN}") if csr is None else csr
    return {
        "apiVersion": CERT_MANAGER,
        "kind": REQUEST,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "issuerRef": {"group": "vault-issuer.io", "kind": kind, "name": issuer},
            "request": raw if isinstance(raw, str) else base64.b64encode(raw).decode(),
            "usages": ["digital signature", "key encipherment"],
            **spec,
        },
    }


def request(bed: Testbed, name: str, namespace: str, issuer: str, **more: Any) -> Object:
    """Create a CertificateRequest."""
    return bed.kube.create(request_object(name, namespace, issuer, **more))


FIFTY_IN_FLIGHT = ("--vault-timeout=60", "--workers=128", "--issuer-concurrency=50")
"""Flags under which a frozen Vault has 50 requests of one issuer, if they come within 2 s."""


def at_once(do: Callable[[str], object], names: Sequence[str]) -> None:
    """Do something for each name, from many threads."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(do, names))


def delete_all(bed: Testbed, api_version: str, kind: str, namespace: str) -> None:
    """Delete all of a kind, one by one: a busy API server takes longer for a collection than its client
    waits."""
    names = [one["metadata"]["name"] for one in bed.kube.list(api_version, kind, namespace)]
    at_once(lambda name: bed.kube.delete(api_version, kind, name, namespace), names)


def wait_issued(bed: Testbed, name: str, namespace: str, timeout: float = PATIENCE) -> Object:
    """Wait until a request is issued; the request."""
    return bed.kube.wait(CERT_MANAGER, REQUEST, name, namespace, timeout=timeout)


def wait_answer(bed: Testbed, name: str, namespace: str, reason: str, timeout: float = PATIENCE) -> Object:
    """Wait until the request's Ready condition has that reason; the request."""
    return bed.kube.wait(
        CERT_MANAGER,
        REQUEST,
        name,
        namespace,
        until=lambda obj: ready(obj).get("reason") == reason,
        timeout=timeout,
    )


def ready(obj: Object) -> dict[str, Any]:
    """The Ready condition, or an empty dict."""
    return condition(obj, "Ready")


def condition(obj: Object, kind: str) -> dict[str, Any]:
    """A condition, or an empty dict."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def events(bed: Testbed, namespace: str, name: str, reason: str) -> list[Object]:
    """The events of that reason on an object; looked for again and again, as they are written behind it."""
    for _ in range(1200):
        found = [
            one
            for one in bed.kube.list("events.k8s.io/v1", "Event", namespace)
            if one["regarding"]["name"] == name and one["reason"] == reason
        ]
        if found:
            return found
        time.sleep(0.1)
    return []


def signed_csrs(bed: Testbed, path: str = "pki_int/sign/lab") -> list[str]:
    """One entry for each certificate Vault signed on that path: the audit log's fingerprint of its CSR."""
    return [
        str(one["request"]["data"]["csr"])
        for one in bed.vault.audited(path)
        if (one["response"].get("data") or {}).get("certificate")
    ]


def revocations(bed: Testbed, mount: str = "pki_int") -> int:
    """How many revocations Vault has carried out."""
    return sum(1 for one in bed.vault.audited(f"{mount}/revoke") if not one.get("error"))


@contextmanager
def only_policies(bed: Testbed, *policies: Object) -> Iterator[None]:
    """While inside, these are the only policies, beside what the tests inside make."""
    _delete_policies(bed)
    bed.kube.apply(policies)
    try:
        yield
    finally:
        _delete_policies(bed)
        bed.kube.apply(everything_policy())


def _delete_policies(bed: Testbed) -> None:
    for one in bed.kube.list(API_VERSION, "CertificateRequestPolicy"):
        bed.kube.delete(API_VERSION, "CertificateRequestPolicy", one["metadata"]["name"])


@contextmanager
def webhook_validation_withdrawn(bed: Testbed) -> Iterator[None]:
    """While inside, cert-manager's webhook does not validate, as on a cluster without it."""
    kind = "ValidatingWebhookConfiguration"
    bed.kube.delete("admissionregistration.k8s.io/v1", kind, "cert-manager-webhook")
    _wait_webhook(bed, validates=False)
    try:
        yield
    finally:
        bed.kube.apply(bed.webhook.configurations())
        _wait_webhook(bed, validates=True)


def _wait_webhook(bed: Testbed, *, validates: bool) -> None:
    """Wait until the API server asks the webhook about a request without a CSR, or doesn't any more."""
    path = bed.kube.path(CERT_MANAGER, REQUEST, None, "default", dryRun="All")
    without_csr = request_object("validated", "default", "nobody", csr=b"no CSR")
    for _ in range(600):
        try:
            bed.kube.http.call("POST", path, without_csr)
        except HTTPError:
            refused = True
        else:
            refused = False
        if refused is validates:
            return
        time.sleep(0.05)
    raise AssertionError(f"cert-manager's webhook is {'not' if validates else 'still'} asked after 30 s")


def set_condition(bed: Testbed, name: str, namespace: str, kind: str) -> None:
    """Approve or deny a request, as the administrator; tried again when somebody else writes."""
    one = {
        "type": kind,
        "status": "True",
        "reason": "Test",
        "message": "set by a test",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    write_status(
        bed, name, namespace, lambda status: {**status, "conditions": [*status.get("conditions", []), one]}
    )


def write_status(bed: Testbed, name: str, namespace: str, change: Callable[[Object], Object]) -> None:
    """Write what `change` makes of a request's status; tried again when somebody else writes."""

    def edit(found: Object) -> None:
        found["status"] = change(found.get("status", {}))

    rewrite(bed.kube, lambda: bed.kube.get(CERT_MANAGER, REQUEST, name, namespace), edit, "status")


def rewrite(
    kube: Kube, read: Callable[[], Object], edit: Callable[[Object], object], subresource: str | None = None
) -> None:
    """Read an object, edit it in place and write it; tried again when somebody else writes meanwhile."""
    for _ in range(20):
        found = read()
        edit(found)
        try:
            kube.replace(found, subresource)
        except HTTPError as error:
            if error.status != 409:
                raise
        else:
            return
    raise AssertionError("the object kept changing")


def wait_in_flight(controller: ControllerProcess, count: int) -> None:
    """Wait until that many requests are in the workers' hands."""
    for _ in range(1200):
        if f"vault_issuer_requests_in_flight {float(count)}" in controller.metrics():
            return
        time.sleep(0.1)
    raise AssertionError(f"there were never {count} requests in flight: {controller.metrics()}")
