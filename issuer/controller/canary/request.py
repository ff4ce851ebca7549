"""The CertificateRequest of one run: its key is made for it, and dropped at once."""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.api.group import GROUP
from issuer.controller.canary.target import CanaryTarget
from issuer.duration import format_seconds
from issuer.requests.resources import CERTIFICATE_REQUESTS
from issuer.x509.request import decode_request
from issuer.x509.verification.requested import RequestedCertificate

LABEL: Final = f"{GROUP}/canary"
"""Label of every canary's request; its value says who made it."""
CONTROLLER: Final = "controller"
CLI: Final = "cli"

# What every policy for TLS servers allows.
_USAGES: Final = ("digital signature", "key encipherment", "server auth")
_NAME_LENGTH: Final = 200  # leaves room for the random end, below the 253 that a name may have


def new_request(target: CanaryTarget, maker: str) -> tuple[dict[str, Any], RequestedCertificate]:
    """A request for the target's name with a key of its own (EC P-256), and what it asks for.

    `maker` goes into its label.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(target.dns_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    csr = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    text = base64.b64encode(csr.public_bytes(Encoding.PEM)).decode()
    obj = {
        "apiVersion": CERTIFICATE_REQUESTS.api_version,
        "kind": "CertificateRequest",
        "metadata": {
            "name": f"canary-{target.issuer.name[:_NAME_LENGTH].rstrip('.-')}-{secrets.token_hex(4)}",
            "namespace": target.namespace,
            "labels": {LABEL: maker},
        },
        "spec": {
            "issuerRef": target.issuer_kinds.reference(target.issuer),
            "duration": format_seconds(target.duration),
            "usages": list(_USAGES),
            "request": text,
        },
    }
    return obj, RequestedCertificate(
        decode_request(text), is_ca=False, usages=frozenset(_USAGES), duration=target.duration
    )
