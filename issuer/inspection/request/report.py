"""JSON of `inspect` and `explain` about a request."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from issuer.duration import format_duration
from issuer.inspection.progress import ready_json, text_of
from issuer.inspection.request.chains import Delivered, chain_json, delivered, differences
from issuer.inspection.request.contents import certificate_json, read_status, request_json, spec_differences
from issuer.inspection.request.details import RequestDetails, issued_at, review_input_of
from issuer.inspection.request.diagnosis import Diagnosis
from issuer.requests.conditions import find
from issuer.requests.request import BadSpec
from issuer.requests.status import APPROVAL_REASON
from issuer.signing.profile import Mismatch, path_length
from issuer.x509.chains.bundle import read_delivered
from issuer.x509.errors import InvalidCertificate
from issuer.x509.verification.requested import RequestedCertificate


def report(details: RequestDetails, now: datetime) -> dict[str, Any]:
    """Return all that is known of a request; `trouble` lists what must not be."""
    found: dict[str, Any] = {
        "request": head_json(details),
        "issuer": _issuer(details),
        "state": details.progress.to_json(),
        "decision": _decision(details),
        "spec": _spec(details),
        "csr": {"problem": details.csr_problem} if details.csr is None else request_json(details.csr),
        "specDifferences": _spec_differences(details),
        **_delivered(details, now),
        "events": list(details.events),
        "notShown": list(details.gaps),
    }
    found["trouble"] = _trouble(found)
    return found


def head_json(details: RequestDetails) -> dict[str, Any]:
    """Return the request's kind, names, times and requester."""
    request, requester = details.request, details.requester
    return {
        "kind": request.kind,
        "namespace": request.key.namespace,
        "name": request.key.name,
        "uid": request.uid,
        "created": text_of(request.object["metadata"], "creationTimestamp"),
        "deleting": request.deleted,
        "certificate": details.certificate,
        "requester": {
            "username": requester.name,
            "uid": requester.uid,
            "groups": list(requester.groups),
        },
    }


def _issuer(details: RequestDetails) -> dict[str, Any]:
    key = details.issuer_key
    if key is None:
        return {"problem": details.spec_problem}
    name = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
    if details.issuer is None:
        message = "there is no such issuer" if details.issuer_readable else "it may not be read"
        return {**name, "ready": None, "reason": "", "message": message}
    return {**name, **ready_json(details.issuer)}


def _decision(details: RequestDetails) -> dict[str, Any]:
    """Return the approval or denial; `policies` is what they say now, if there is no certificate."""
    conditions = details.request.conditions
    condition: Mapping[str, Any] = find(conditions, "Denied") or find(conditions, "Approved") or {}
    if condition.get("status") != "True":
        condition = {}
    reason = text_of(condition, "reason")
    return {
        "decided": text_of(condition, "type"),
        "by": ("policy" if reason == APPROVAL_REASON else "another approver") if condition else "",
        "reason": reason,
        "message": text_of(condition, "message"),
        "time": text_of(condition, "lastTransitionTime"),
        "policies": None if details.explanation is None else details.explanation.decision.to_json(),
    }


def _spec(details: RequestDetails) -> dict[str, Any]:
    request = details.request
    try:
        duration, is_ca = request.duration, request.is_ca
    except BadSpec as error:
        return {"problem": str(error)}
    return {
        "duration": None if duration is None else format_duration(duration),
        "usages": [str(one) for one in request.spec.get("usages") or ()],
        "isCA": is_ca,
    }


def _spec_differences(details: RequestDetails) -> list[str]:
    if details.csr is None or details.issuer_key is None:
        return []
    return spec_differences(
        review_input_of(details.request, details.csr, details.issuer_key, details.issuer_profile).facts(
            details.requester
        )
    )


def _delivered(details: RequestDetails, now: datetime) -> dict[str, Any]:
    """Return the certificate, its chain, and their differences from the request."""
    nothing: dict[str, Any] = {"certificate": None, "chain": None, "differences": []}
    status = details.request.object.get("status") or {}
    try:
        own = read_status(status.get("certificate"), read_delivered)
        ca = read_status(status.get("ca"))
    except InvalidCertificate as error:
        return {**nothing, "certificate": {"problem": str(error)}}
    if not own:
        return nothing
    found = delivered(own, ca, now)
    return {
        "certificate": certificate_json(found.leaf, now),
        "chain": chain_json(found, now),
        "differences": _differences(details, found),
    }


def _differences(details: RequestDetails, found: Delivered) -> list[dict[str, Any]]:
    if details.csr is None or details.issuer_key is None:
        return []
    request, spec = details.request, details.issuer_spec
    asked = RequestedCertificate(details.csr, request.is_ca, request.usages, request.duration)
    if spec is not None and details.issuer_profile is not None:
        with suppress(Mismatch):  # the issuer may have changed since
            asked = replace(asked, path_length=path_length(details.issuer_profile, asked))
    # What an issuer that can't be read may do is not held against it.
    shorten = spec is None or spec.ca_expiry == "Shorten"
    moment = issued_at(request, found.leaf.not_valid_before_utc)
    any_life = details.issuer_profile is None or details.issuer_profile.leaves_life
    return differences(found, asked, moment, shorten=shorten, any_life=any_life)


def _trouble(found: dict[str, Any]) -> list[str]:
    certificate, chain = found["certificate"], found["chain"]
    trouble = []
    if certificate is not None and "problem" in certificate:
        trouble.append(f"the certificate can't be read: {certificate['problem']}")
    if chain is not None and not chain["holds"]:
        trouble.append(f"the chain doesn't hold: {chain['problem']}")
    trouble += [one["message"] for one in found["differences"] if one["fatal"]]
    return trouble


def diagnosis_json(details: RequestDetails, found: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as JSON."""
    return {
        "request": head_json(details),
        "issuer": _issuer(details),
        "state": details.progress.to_json(),
        "why": list(found.reasons),
        "do": [one.to_json() for one in found.advice],
        "policies": None if details.explanation is None else details.explanation.decision.to_json(),
        "notShown": list(details.gaps),
    }
