"""Builders of Kubernetes objects and certificates for tests: only what a test cares about is named there."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from issuer.controller.process.reason_labels import reason_labels
from issuer.signing.backends import built_in
from tests.odd_certificates import oid, tlv

REASON_LABELS = reason_labels([backend.reasons for backend in built_in()])
"""Reasons that a controller with the built-in backends may count."""

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def csr_pem(
    *dns: str, common_name: str | None = None, key: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    """A PEM certificate signing request with these DNS names."""
    attributes = [] if common_name is None else [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    if dns:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in dns]), False
        )
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        Encoding.PEM
    )


def csr_with(
    *extensions: x509.ExtensionType,
    subject: x509.Name | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
) -> bytes:
    """A PEM certificate signing request with these extensions, none critical."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject or x509.Name([]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    key = key or ec.generate_private_key(ec.SECP256R1())
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


SHA1_WITH_RSA, MD5_WITH_RSA = 5, 4
"""Last bytes of their object identifiers (RFC 8017 A.2.4)."""


def signed_as_once(
    builder: x509.CertificateSigningRequestBuilder,
    key: rsa.RSAPrivateKey,
    algorithm: hashes.HashAlgorithm,
    identifier: int,
) -> bytes:
    """DER of a request that is signed as old devices do; the library signs none by such algorithms."""
    csr = builder.sign(key, hashes.SHA256())
    whole = csr.public_bytes(Encoding.DER)
    head, tail = whole[: -len(csr.signature)], key.sign(csr.tbs_certrequest_bytes, PKCS1v15(), algorithm)
    before, sha256, after = head.rpartition(bytes.fromhex("2a864886f70d01010b"))
    return before + sha256[:-1] + bytes([identifier]) + after + tail


def signed_by_ecdsa_sha1(
    builder: x509.CertificateSigningRequestBuilder, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """DER of a request that is signed by ecdsa-with-SHA1 (1.2.840.10045.4.1), as old devices do."""
    signed = builder.sign(key, hashes.SHA256()).tbs_certrequest_bytes
    signature = tlv(0x03, b"\0", key.sign(signed, ec.ECDSA(hashes.SHA1())))
    return tlv(0x30, signed, tlv(0x30, oid("1.2.840.10045.4.1")), signature)


def certificate_request(
    name: str = "one",
    namespace: str = "team-a",
    *,
    issuer: str = "demo",
    kind: str = "VaultClusterIssuer",
    request: bytes | str | None = None,
    conditions: list[dict[str, Any]] | None = None,
    uid: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A CertificateRequest as the API server sends it; ``request`` is PEM bytes, or the raw field's text."""
    raw = request if request is not None else csr_pem("a.lab.example.test")
    text = raw if isinstance(raw, str) else base64.b64encode(raw).decode()
    obj: dict[str, Any] = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-of-{namespace}-{name}",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-11-22T11:59:59Z",
        },
        "spec": {
            "issuerRef": {"group": "vault-issuer.io", "kind": kind, "name": issuer},
            "request": text,
            "usages": ["digital signature", "key encipherment"],
            **spec,
        },
    }
    if conditions is not None:
        obj["status"] = {"conditions": conditions}
    return obj


def condition(kind: str, status: str = "True", reason: str = "", message: str = "") -> dict[str, Any]:
    """A status condition that has been so for a minute."""
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": message,
        "lastTransitionTime": "2026-11-22T11:59:00Z",
    }


def approved() -> dict[str, Any]:
    """The condition an approver sets."""
    return condition("Approved", reason="cert-manager.io")


def issuer_object(
    name: str = "demo",
    namespace: str = "",
    *,
    uid: str = "uid-1",
    generation: int = 1,
    auth: dict[str, Any] | None = None,
    server: str = "https://vault.example.test:8200",
    path: str = "pki_int/sign/lab",
    **own: Any,
) -> dict[str, Any]:
    """A VaultClusterIssuer, or with a namespace a VaultIssuer."""
    metadata: dict[str, Any] = {
        "name": name,
        "uid": uid,
        "generation": generation,
        "resourceVersion": "1",
    }
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": "vault-issuer.io/v1alpha1",
        "kind": "VaultIssuer" if namespace else "VaultClusterIssuer",
        "metadata": metadata,
        "spec": {
            "vault": {
                "server": server,
                "path": path,
                "auth": auth or {"tokenSecretRef": {"name": "vault-token", "key": "token"}},
            },
            **own,
        },
    }


def signing_request(
    name: str = "one",
    *,
    signer: str = "vaultclusterissuers.vault-issuer.io/demo",
    request: bytes | None = None,
    conditions: list[dict[str, Any]] | None = None,
    annotations: dict[str, str] | None = None,
    uid: str | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A Kubernetes CertificateSigningRequest as the API server sends it."""
    obj: dict[str, Any] = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": name,
            "uid": uid or f"uid-of-csr-{name}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-11-22T11:59:59Z",
            "annotations": annotations or {},
        },
        "spec": {
            "signerName": signer,
            "request": base64.b64encode(request or csr_pem("a.lab.example.test")).decode(),
            "usages": ["digital signature", "key encipherment"],
            "username": "alice",
            "groups": ["dev"],
            **spec,
        },
        "status": {},
    }
    if conditions is not None:
        obj["status"] = {"conditions": conditions}
    return obj
