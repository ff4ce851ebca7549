"""What `inspect` and `explain` say of a request, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from issuer.duration import format_duration
from issuer.inspection.chains import Delivered, chain_json, delivered, differences
from issuer.inspection.contents import certificate_json, read_status, request_json, spec_differences
from issuer.inspection.diagnosis import Why
from issuer.inspection.progress import ready_json, text_of
from issuer.inspection.request_details import Case, issued_at, review_input_of
from issuer.requests.conditions import find
from issuer.requests.request import BadSpec
from issuer.requests.status import APPROVAL_REASON
from issuer.signing.vault.profile import Mismatch, path_length
from issuer.x509.chains.bundle import read_delivered
from issuer.x509.errors import InvalidCertificate
from issuer.x509.verify import RequestedCertificate


def report(case: Case, now: datetime) -> dict[str, Any]:
    """All that is known of it; `trouble` are the things that must not be."""
    found: dict[str, Any] = {
        "request": head_json(case),
        "issuer": _issuer(case),
        "state": case.standing.to_json(),
        "decision": _decision(case),
        "spec": _spec(case),
        "csr": {"problem": case.csr_problem} if case.csr is None else request_json(case.csr),
        "specDifferences": _spec_differences(case),
        **_delivered(case, now),
        "events": list(case.events),
        "notShown": list(case.gaps),
    }
    found["trouble"] = _trouble(found)
    return found


def head_json(case: Case) -> dict[str, Any]:
    """Which request it is, and who made it."""
    request, requester = case.request, case.requester
    return {
        "kind": request.kind,
        "namespace": request.key.namespace,
        "name": request.key.name,
        "uid": request.uid,
        "created": text_of(request.object["metadata"], "creationTimestamp"),
        "deleting": request.deleted,
        "certificate": case.certificate,
        "requester": {
            "username": requester.username,
            "uid": requester.uid,
            "groups": list(requester.groups),
        },
    }


def _issuer(case: Case) -> dict[str, Any]:
    key = case.issuer_key
    if key is None:
        return {"problem": case.spec_problem}
    name = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
    if case.issuer is None:
        message = "there is no such issuer" if case.issuer_readable else "it may not be read"
        return {**name, "ready": None, "reason": "", "message": message}
    return {**name, **ready_json(case.issuer)}


def _decision(case: Case) -> dict[str, Any]:
    """Who approved or denied it; `policies` is what the policies say now, where there is no certificate."""
    conditions = case.request.conditions
    told: Mapping[str, Any] = find(conditions, "Denied") or find(conditions, "Approved") or {}
    if told.get("status") != "True":
        told = {}
    reason = text_of(told, "reason")
    return {
        "decided": text_of(told, "type"),
        "by": ("policy" if reason == APPROVAL_REASON else "another approver") if told else "",
        "reason": reason,
        "message": text_of(told, "message"),
        "time": text_of(told, "lastTransitionTime"),
        "policies": None if case.explanation is None else case.explanation.decision.to_json(),
    }


def _spec(case: Case) -> dict[str, Any]:
    request = case.request
    try:
        duration, is_ca = request.duration, request.is_ca
    except BadSpec as error:
        return {"problem": str(error)}
    return {
        "duration": None if duration is None else format_duration(duration),
        "usages": [str(one) for one in request.spec.get("usages") or ()],
        "isCA": is_ca,
    }


def _spec_differences(case: Case) -> list[str]:
    if case.csr is None or case.issuer_key is None:
        return []
    return spec_differences(
        review_input_of(case.request, case.csr, case.issuer_key, case.issuer_spec).facts(case.requester)
    )


def _delivered(case: Case, now: datetime) -> dict[str, Any]:
    """The certificate, its chain, and what of them is other than asked for."""
    nothing: dict[str, Any] = {"certificate": None, "chain": None, "differences": []}
    status = case.request.object.get("status") or {}
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
        "differences": _differences(case, found),
    }


def _differences(case: Case, found: Delivered) -> list[dict[str, Any]]:
    if case.csr is None or case.issuer_key is None:
        return []
    request, spec = case.request, case.issuer_spec
    asked = RequestedCertificate(case.csr, request.is_ca, request.usages, request.duration)
    if spec is not None:
        with suppress(Mismatch):  # the issuer may have changed since
            asked = replace(asked, path_length=path_length(spec, asked))
    # What an issuer that can't be read may do is not held against it.
    shorten = spec is None or spec.ca_expiry == "Shorten"
    moment = issued_at(request, found.leaf.not_valid_before_utc)
    return differences(found, asked, moment, shorten=shorten)


def _trouble(found: dict[str, Any]) -> list[str]:
    certificate, chain = found["certificate"], found["chain"]
    told = []
    if certificate is not None and "problem" in certificate:
        told.append(f"the certificate can't be read: {certificate['problem']}")
    if chain is not None and not chain["holds"]:
        told.append(f"the chain doesn't hold: {chain['problem']}")
    told += [one["message"] for one in found["differences"] if one["fatal"]]
    return told


def why_json(case: Case, found: Why) -> dict[str, Any]:
    """What `explain` says, as JSON."""
    return {
        "request": head_json(case),
        "issuer": _issuer(case),
        "state": case.standing.to_json(),
        "why": list(found.reasons),
        "do": [{"text": one.text, "yaml": one.yaml} for one in found.advice],
        "policies": None if case.explanation is None else case.explanation.decision.to_json(),
        "notShown": list(case.gaps),
    }
