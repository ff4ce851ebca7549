"""Fixtures that a backend's author gives to the contract suite, and the requests that the suite makes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.requests.issuers import IssuerKey, IssuerKind
from issuer.signing.backend import Backend
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE, NAMESPACE
from issuer.signing.settings import BackendSettings

USAGES = ("digital signature", "key encipherment", "server auth")
ISSUER = "ca"


class Fault(StrEnum):
    """Ways in which a CA can fail that the suite knows what to expect of."""

    UNREACHABLE = "unreachable"
    """Nobody answers, or only with errors: check and sign raise Retry or IssuerUnavailable."""
    BUSY = "busy"
    """It answers, and takes no more calls for now: sign raises Retry, or its RateLimited."""
    REFUSES_ISSUER = "refuses issuer"
    """It does not accept what the issuer logs in with: check and sign raise IssuerBroken."""
    REFUSES_REQUEST = "refuses request"
    """It refuses the very CSR `ContractCase.refused_csr`: sign raises Failed."""
    LOSES_ANSWER = "loses answer"
    """It signs, and its answer is lost or comes so that nobody can read it: sign raises BadAnswer."""
    REFUSES_REVOCATION = "refuses revocation"
    """It does not revoke: revoke raises NotRevoked."""


def csr_pem(*dns: str) -> str:
    """Return a CSR in PEM for these names, with a new key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if dns:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in dns])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


@dataclass
class ContractCase:
    """One backend with a CA that it can reach.

    Attributes:
        backend: the one that is tested.
        spec: a valid spec, whose Secrets were put into the fake API server by `FakeKubernetes.put_secret`.
        bad_specs: specs that must be refused, by what is wrong with them; at least one.
        signed: returns how many certificates the CA has signed so far.
        faults: makes the CA fail from now on, for each way in which it can.
        dns_name: a name that the CA signs.
        usages: what is asked for: all that the CA sets whether it is asked or not has to be among them.
        refused_csr: the CSR of `Fault.REFUSES_REQUEST`, in PEM; None for an ordinary one.
        revoked: returns how many certificates were revoked so far; None if the backend revokes none.
        settings: those of the process.
    """

    backend: Backend
    spec: Mapping[str, Any]
    bad_specs: Mapping[str, Mapping[str, Any]]
    signed: Callable[[], int]
    faults: Mapping[Fault, Callable[[], None]] = field(default_factory=dict)
    dns_name: str = "web.team-a.example.test"
    usages: tuple[str, ...] = USAGES
    refused_csr: str | None = None
    revoked: Callable[[], int] | None = None
    settings: BackendSettings = field(
        default_factory=lambda: BackendSettings(cluster_resource_namespace=CLUSTER_NAMESPACE)
    )

    def key(self, kind: IssuerKind) -> IssuerKey:
        """Return the key of the case's issuer of a kind."""
        return kind.key(NAMESPACE, ISSUER)

    def issuer(self, kind: IssuerKind) -> dict[str, Any]:
        """Return the case's issuer of a kind, as somebody applied it."""
        metadata = {"name": ISSUER, **({"namespace": NAMESPACE} if kind.namespaced else {})}
        return {
            "apiVersion": kind.resource.api_version,
            "kind": kind.api_kind,
            "metadata": metadata,
            "spec": dict(self.spec),
        }

    def csr(self) -> str:
        """Return a CSR that the CA signs."""
        return csr_pem(self.dns_name)

    def certificate_request(
        self, kind: IssuerKind, csr: str | None = None, name: str = "web"
    ) -> dict[str, Any]:
        """Return a CertificateRequest of cert-manager for an issuer of that kind."""
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "issuerRef": {"group": kind.group, "kind": kind.api_kind, "name": ISSUER},
                "request": _encoded(csr or self.csr()),
                "usages": list(self.usages),
                "duration": "1h",
                "username": "alice",
            },
        }

    def signing_request(self, kind: IssuerKind) -> dict[str, Any]:
        """Return an approved CertificateSigningRequest of Kubernetes for an issuer of that kind."""
        path = f"{NAMESPACE}.{ISSUER}" if kind.namespaced else ISSUER
        return {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": "web"},
            "spec": {
                "signerName": f"{kind.signer_domain}/{path}",
                "request": _encoded(self.csr()),
                "usages": list(self.usages),
                "expirationSeconds": 3600,
                "username": "alice",
            },
            "status": {"conditions": [{"type": "Approved", "status": "True", "reason": "ByHand"}]},
        }


def _encoded(csr: str) -> str:
    return base64.b64encode(csr.encode()).decode()
