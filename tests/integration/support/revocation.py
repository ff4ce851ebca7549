"""What the revocation tests do over and over: issuers that revoke, what Vault revoked, and waiting for it."""

from __future__ import annotations

import json
from typing import Any

from cryptography import x509

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.processes import PATIENCE
from testbed.samples import certificate, vault_cluster_issuer
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    request,
    secret,
    token_auth,
    wait_issued,
    wait_ready,
)
from tests.integration.support.scope import certificates_of
from tests.integration.support.waiting import wait_until


def issuer_object(bed: Testbed, name: str, policy: str, delay: str | None = None) -> Object:
    """A VaultClusterIssuer that revokes."""
    found = vault_cluster_issuer(bed, name, token_auth(f"{name}-token"))
    found["spec"]["revocation"] = {"policy": policy, **({"delay": delay} if delay else {})}
    return found


def issuer(bed: Testbed, layout: PkiLayout, name: str, policy: str, delay: str | None = None) -> str:
    """The same with a token, Ready; its name."""
    token = setup_token(bed.vault, layout.policy, ttl="24h")
    bed.kube.apply(secret(f"{name}-token", SYSTEM_NAMESPACE, token=token))
    bed.kube.apply(issuer_object(bed, name, policy, delay))
    wait_ready(bed, name)
    return name


def issue(bed: Testbed, name: str, namespace: str, issuer_name: str) -> x509.Certificate:
    """A request that no Certificate owns, issued; its certificate."""
    request(bed, name, namespace, issuer_name)
    return certificates_of(wait_issued(bed, name, namespace))[0]


def issue_certificate(
    bed: Testbed, name: str, namespace: str, issuer_name: str, **spec: Any
) -> x509.Certificate:
    """A Certificate, Ready; what its Secret holds."""
    bed.kube.apply(certificate(name, namespace, issuer_name, (f"{name}.{DOMAIN}",), **spec))
    bed.kube.wait(CERT_MANAGER, "Certificate", name, namespace)
    return held(bed, name, namespace)


def held(bed: Testbed, name: str, namespace: str) -> x509.Certificate:
    """The certificate in the Secret of a Certificate."""
    return Delivered.from_secret(bed.kube.get("v1", "Secret", f"{name}-tls", namespace)).leaf


def vault_serial(found: x509.Certificate) -> str:
    """The serial as Vault writes it."""
    text = format(found.serial_number, "x")
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


def revoked_at(bed: Testbed, found: x509.Certificate) -> int:
    """When Vault revoked it, in seconds since the epoch; 0 when it did not."""
    return int(bed.vault.read(f"pki_int/cert/{vault_serial(found)}")["revocation_time"])


def in_crl(bed: Testbed, found: x509.Certificate) -> bool:
    """Whether the CA's CRL lists it."""
    pem = bed.vault.read("pki_int/cert/crl")["certificate"]
    listed = x509.load_pem_x509_crl(pem.encode())
    return listed.get_revoked_certificate_by_serial_number(found.serial_number) is not None


def wait_gone(bed: Testbed, name: str, namespace: str, seconds: float = PATIENCE) -> None:
    """Wait until a request is gone."""
    wait_until(
        lambda: bed.kube.find(CERT_MANAGER, REQUEST, name, namespace) is None, f"{name} is gone", seconds
    )


def wait_revoked(bed: Testbed, found: x509.Certificate) -> None:
    """Wait until Vault has revoked a certificate."""
    wait_until(lambda: revoked_at(bed, found) > 0, "the certificate is revoked")


def delete(bed: Testbed, name: str, namespace: str) -> None:
    """Delete a request."""
    bed.kube.delete(CERT_MANAGER, REQUEST, name, namespace)


def count(controller: ControllerProcess, result: str) -> float:
    """The metric of that result."""
    start = f'vault_issuer_revocations_total{{result="{result}"}} '
    lines = [one for one in controller.metrics().splitlines() if one.startswith(start)]
    return float(lines[0].removeprefix(start)) if lines else 0.0


def told(controller: ControllerProcess, event: str) -> list[dict[str, Any]]:
    """Log lines of that event."""
    lines = (json.loads(one) for one in controller.log.read_text().splitlines() if one.startswith("{"))
    return [one for one in lines if one.get("event") == event]
