"""Diagnosis of a canary's request without a certificate: the stage that broke, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.controller.canary.history import Stage
from issuer.controller.state.reasons import ControllerFailure, ControllerIssuerReason
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import find, is_true, ready_of
from issuer.requests.reason_message import Opening, opening_of, reason_of
from issuer.signing.reasons import SigningIssuerReason, SigningRetry

API_REASONS: Final = frozenset(
    {
        ControllerIssuerReason.APPROVAL_FORBIDDEN,
        ControllerIssuerReason.REVOCATION_FORBIDDEN,
        ControllerIssuerReason.STATUS_WRITE_REFUSED,
        SigningIssuerReason.SECRET_FORBIDDEN,
        SigningIssuerReason.TOKEN_REQUEST_FORBIDDEN,
        SigningRetry.KUBERNETES_UNAVAILABLE,
    }
)
"""Reasons of issuers and requests that are the API server's refusals, or its silence."""


class Broken(Exception):
    """End of a run: the stage that broke, and a message of what happened and what to do."""

    def __init__(self, stage: Stage, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.message = message


def refusal(request: CertificateRequest) -> Broken | None:
    """Return why a finished request has no certificate; None where it has one."""
    ready = ready_of(request.object)
    message = str(ready.get("message", ""))
    if request.denied or ready.get("reason") == "Denied":
        return Broken(Stage.POLICY, _denied(request, message))
    if ready.get("status") == "True":
        return None
    opening = opening_of(message)
    if opening is Opening.NOT_AS_ASKED or reason_of(message) == ControllerFailure.TOO_SHORT_TO_RENEW:
        return Broken(Stage.CHAIN, message)
    if opening is Opening.ALLOWED_BY_NONE:
        return Broken(Stage.POLICY, f"{message.rstrip('.')}. {_allow(request)}")
    return Broken(Stage.ISSUER, message or "the request failed without a reason; see the controller's log")


def lateness(request: CertificateRequest, issuer: Mapping[str, Any] | None, waited: float) -> Broken:
    """Return why a request still has no answer after `waited` seconds.

    `issuer` is the object it names; None where there is none, or nobody may read it.
    """
    message = pending(request)
    if opening_of(message) in (Opening.NO_POLICY_APPLIES, Opening.NO_POLICY_EXISTS, Opening.REFUSED_SOON):
        return Broken(Stage.POLICY, f"{message.rstrip('.')}. {_allow(request)}")
    found = ready_of(issuer)
    reason, why = str(found.get("reason", "")), f"{request.issuer.quoted}: {found.get('message', '')}"
    if message:
        return Broken(_stage(reason_of(message) or reason), message)
    if found.get("status") == "False" and _stage(reason) is Stage.API:
        return Broken(Stage.API, f"{why} ({reason})")
    external = ((issuer or {}).get("spec") or {}).get("approval") == "External"
    if external and not request.approved:
        return Broken(
            Stage.POLICY,
            f"{request.issuer.quoted} has spec.approval External, and no approver has approved the request "
            f"in {waited:g} seconds: see what that approver says to a request of {_requester(request)}",
        )
    return Broken(
        Stage.CONTROLLER,
        f"no controller answered in {waited:g} seconds: see whether vault-issuer's controller runs and "
        "leads, what its log says, whether it may update certificaterequests/status, and whether requests of "
        "the issuer are held back (vault_issuer_throttled_seconds_total)",
    )


def pending(request: CertificateRequest) -> str:
    """Return why an unfinished request says that it waits; empty where it says nothing."""
    ready = ready_of(request.object)
    return str(ready.get("message", ""))


def approval(request: CertificateRequest) -> str:
    """Return the approver's message."""
    approved = find(request.conditions, "Approved") or {}
    return (
        str(approved.get("message", "")) if is_true(request.conditions, "Approved") else "no approval needed"
    )


def _stage(reason: str) -> Stage:
    if reason in API_REASONS:
        return Stage.API
    return Stage.POLICY if reason == ControllerIssuerReason.NO_POLICY else Stage.ISSUER


def _denied(request: CertificateRequest, message: str) -> str:
    denied = find(request.conditions, "Denied") or {}
    return f"{denied.get('message') or message or 'the request was denied'}. {_allow(request)}"


def _allow(request: CertificateRequest) -> str:
    return (
        "A CertificateRequestPolicy must allow what the canary asks for, from this issuer in namespace "
        f'"{request.key.namespace}", and {_requester(request)} must be bound to its use'
    )


def _requester(request: CertificateRequest) -> str:
    return str(request.spec.get("username") or "the requester")
