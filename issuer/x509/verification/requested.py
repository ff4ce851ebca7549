"""The request, as far as its certificate is compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from issuer.x509.request import CertificateSigningRequest
from issuer.x509.verification.renewal import DEFAULT_RENEWAL, Renewal


@dataclass(frozen=True, slots=True)
class RequestedCertificate:
    """A CSR and what is asked for beside it.

    `usages` are cert-manager's names; none mean its default. `path_length` is the number of CAs allowed below
    a CA, without meaning for others. `renewal` is that of the Certificate that the request was made for.
    """

    request: CertificateSigningRequest
    is_ca: bool
    usages: frozenset[str]
    duration: timedelta | None
    path_length: int = 0
    renewal: Renewal = DEFAULT_RENEWAL
