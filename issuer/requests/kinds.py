"""Kinds of requests, and which of them a key names."""

from __future__ import annotations

from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import Request, RequestKey

KINDS: tuple[type[Request], ...] = (CertificateRequest, KubernetesCSR)


def kind_of(key: RequestKey) -> type[Request]:
    """Return the class of the request that `key` names: only CertificateRequests have a namespace."""
    return CertificateRequest if key.namespace else KubernetesCSR
