"""Certificates that are signed and not yet written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey


@dataclass(frozen=True, slots=True, eq=False)
class PendingDelivery:
    """A certificate that was signed and verified, and is to be written into one request's status.

    `shared` is the signer that can revoke it. `audit` is the record of the attempt that signed it. `approval`
    is the message of our Approved condition, None where another approver set it. `news` says how the
    certificate differs from what was asked for, if that deserves an event.
    """

    key: RequestKey
    uid: str
    issuer: IssuerKey
    shared: SharedSigner
    leaf_pem: str
    certificate_pem: str
    ca_pem: str
    serial: str
    message: str
    not_after: datetime
    audit: AuditRecord
    approval: str | None = None
    news: str = ""
