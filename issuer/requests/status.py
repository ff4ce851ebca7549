"""The status that answers a CertificateRequest: one function an answer, pure.

Each returns the whole object to PUT to the `status` subresource. Reasons are
those of cert-manager's external-issuer contract (`Issued`, `Failed`,
`Denied`, `Pending`).
"""

from __future__ import annotations

import base64
from datetime import datetime

from issuer.kube.wire import Object
from issuer.requests.conditions import ready_of, says, with_condition
from issuer.requests.request import Request
from issuer.text import rfc3339


def _answer(request: Request, now: datetime, ready: bool, reason: str, message: str, **fields: str) -> Object:
    conditions = with_condition(request.conditions, "Ready", ready, reason, message, now)
    status = {**(request.object.get("status") or {}), **fields, "conditions": conditions}
    return {**request.object, "status": status}


APPROVAL_REASON = "vault-issuer.io"
"""Reason of the Approved and Denied conditions that we set."""


def issued(
    request: Request,
    now: datetime,
    message: str,
    certificate_pem: str,
    ca_pem: str,
    approval: str | None = None,
) -> Object:
    """Return the answer with the certificate (leaf, then intermediates) and the CA, and the approval.

    `approval` is the message of our Approved condition; None when another
    approver has set it.
    """
    return _answer(
        _decided(request, now, "Approved", approval),
        now,
        True,
        "Issued",
        message,
        certificate=base64.b64encode(certificate_pem.encode()).decode(),
        ca=base64.b64encode(ca_pem.encode()).decode(),
    )


def failed(request: Request, now: datetime, message: str) -> Object:
    """Return the answer of a request that can never be served; cert-manager makes a new one later."""
    return _answer(request, now, False, "Failed", message, failureTime=rfc3339(now))


def denied(request: Request, now: datetime, denial: str | None = None) -> Object:
    """Return the answer of a denied request; `denial` is our message, None if another denied it."""
    message = denial or "The CertificateRequest was denied by an approval controller"
    answered = _decided(request, now, "Denied", denial)
    return _answer(answered, now, False, "Denied", message, failureTime=rfc3339(now))


def _decided(request: Request, now: datetime, kind: str, message: str | None) -> Request:
    """Return the request with our Approved or Denied condition, where we set one and nobody else has."""
    if message is None or request.approved or request.denied:
        return request
    conditions = with_condition(request.conditions, kind, True, APPROVAL_REASON, message, now)
    status = {**(request.object.get("status") or {}), "conditions": conditions}
    return request.with_object({**request.object, "status": status})


def pending(request: Request, now: datetime, message: str) -> Object | None:
    """Return the answer that says for what it waits; None if the request already says just that."""
    answer = _answer(request, now, False, "Pending", message)
    return None if says(request.conditions, ready_of(answer)) else answer


def carries(obj: Object, certificate_pem: str) -> bool:
    """Return True if the object's status already holds this certificate."""
    held = (obj.get("status") or {}).get("certificate")
    return bool(held) and held == base64.b64encode(certificate_pem.encode()).decode()
