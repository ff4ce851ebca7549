"""Details of one request: its issuer, CSR, policies and events, as far as they may be read."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.explain.cluster import RIGHTS, ClusterOptions, explain
from issuer.explain.evaluation import Explanation
from issuer.explain.review_input import ReviewInput
from issuer.inspection.progress import Progress, RequestState, progress_of, text_of, time_of
from issuer.inspection.reading import Reader
from issuer.inspection.target import InspectionTarget, certificate_of, find_request
from issuer.kube.errors import Forbidden
from issuer.kube.identity import User
from issuer.kube.resources import EVENTS
from issuer.kube.wire import Object
from issuer.policy.facts import IssuerReference
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import BadSpec, Request
from issuer.signing.backend import Backends
from issuer.signing.profile import SigningProfile
from issuer.text import rfc3339
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import CertificateSigningRequest, decode_request

EVENTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class RequestDetails:
    """All that is known of a request.

    `csr` is None where `csr_problem` says why it can't be read, `issuer_key` where `spec_problem` says why
    the request is not served. `issuer` is the issuer's object: None where it isn't there, or not
    `issuer_readable`. `explanation` is what the policies say now, of a request without a certificate; `gaps`
    say what is withheld.
    """

    request: Request
    progress: Progress
    certificate: str
    csr: CertificateSigningRequest | None
    csr_problem: str
    issuer_key: IssuerKey | None
    spec_problem: str
    issuer: Object | None
    issuer_readable: bool
    issuer_spec: IssuerSpec | None
    issuer_profile: SigningProfile | None
    explanation: Explanation | None
    events: tuple[Mapping[str, Any], ...]
    gaps: tuple[str, ...]

    @property
    def requester(self) -> User:
        """Author of the request, as the API server or cert-manager's webhook stamped it."""
        return self.request.requester


async def gather(reader: Reader, target: InspectionTarget) -> RequestDetails:
    """Read everything about a request. Raises BadInput if there is none, and KubeError."""
    request = await find_request(reader, target)
    progress = progress_of(request)
    csr, csr_problem = _csr(request)
    key, spec_problem = _issuer_key(request)
    known = len(reader.gaps)
    issuer = await _issuer(reader, key)
    readable = len(reader.gaps) == known
    spec = _issuer_spec(reader.backends, key, issuer)
    profile = None if key is None or spec is None else reader.backends.of(key.kind).profile(spec)
    explanation = None
    if csr is not None and key is not None and progress.state is not RequestState.ISSUED:
        explanation = await _explained(reader, request, csr, key, profile)
    return RequestDetails(
        request=request,
        progress=progress,
        certificate=certificate_of(request.object),
        csr=csr,
        csr_problem=csr_problem,
        issuer_key=key,
        spec_problem=spec_problem,
        issuer=issuer,
        issuer_readable=readable,
        issuer_spec=spec,
        issuer_profile=profile,
        explanation=explanation,
        events=await _events(reader, request),
        gaps=tuple(reader.gaps),
    )


def review_input_of(
    request: Request, csr: CertificateSigningRequest, key: IssuerKey, profile: SigningProfile | None
) -> ReviewInput:
    """Return the request as `policy explain` evaluates one, for an issuer that signs so. Raises BadSpec."""
    return ReviewInput(
        source="as it is in the cluster",
        kind=request.kind,
        name=request.key.name,
        namespace=request.policy_namespace,
        issuer=IssuerReference(key.name, key.kind, request.issuer_kinds[key.kind].group),
        csr=csr,
        duration=request.duration,
        usages=tuple(request.spec.get("usages") or ()),
        is_ca=request.is_ca,
        requester=request.requester,
        policy_only=profile is not None and profile.is_policy_only(is_ca=request.is_ca),
        served_groups=request.issuer_kinds.groups,
    )


def _csr(request: Request) -> tuple[CertificateSigningRequest | None, str]:
    try:
        return decode_request(request.spec.get("request") or ""), ""
    except InvalidRequest as error:
        return None, str(error)


def _issuer_key(request: Request) -> tuple[IssuerKey | None, str]:
    """Return the issuer of ours, or why the request is not served."""
    if not request.is_ours:
        groups = " and ".join(request.issuer_kinds.groups)
        return None, f"it names an issuer of another kind: vault-issuer answers only for those of {groups}"
    try:
        key = request.issuer
        _ = request.duration, request.is_ca
    except BadSpec as error:
        return None, str(error)
    return key, ""


async def _issuer(reader: Reader, key: IssuerKey | None) -> Object | None:
    if key is None:
        return None
    resource = reader.backends.kinds[key.kind].resource
    return await reader.get(resource, key.name, key.namespace or None, what="its issuer is")


def _issuer_spec(backends: Backends, key: IssuerKey | None, issuer: Object | None) -> IssuerSpec | None:
    if key is None or issuer is None:
        return None
    try:
        return backends.of(key.kind).parse(issuer.get("spec") or {})
    except SpecError:
        return None


async def _explained(
    reader: Reader,
    request: Request,
    csr: CertificateSigningRequest,
    key: IssuerKey,
    profile: SigningProfile | None,
) -> Explanation | None:
    try:
        (found,) = await explain(
            reader.client, [review_input_of(request, csr, key, profile)], ClusterOptions()
        )
    except Forbidden:
        reader.note(f"what the policies say now is not shown. {RIGHTS}")
        return None
    return found


async def _events(reader: Reader, request: Request) -> tuple[Mapping[str, Any], ...]:
    """Return the newest events of this very object, oldest first."""
    newest: list[tuple[str, int, dict[str, Any]]] = []
    seen = 0
    # Events of objects without a namespace are in `default`.
    events = reader.each(
        EVENTS,
        request.key.namespace or "default",
        what="its events are",
        field_selector=f"regarding.uid={request.uid}",
    )
    async for one in events:
        if (one.get("regarding") or {}).get("uid") != request.uid:
            continue
        seen += 1
        entry = (_when(one), seen, _event(one))
        if len(newest) < EVENTS_SHOWN:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)
    return tuple(event for _, _, event in sorted(newest))


def _event(one: Mapping[str, Any]) -> dict[str, Any]:
    series = one.get("series") or {}
    return {
        "time": _when(one),
        "type": text_of(one, "type"),
        "reason": text_of(one, "reason"),
        "by": text_of(one, "reportingController") or text_of(one.get("deprecatedSource") or {}, "component"),
        "message": text_of(one, "note"),
        "count": series.get("count") or one.get("deprecatedCount") or 1,
    }


def _when(one: Mapping[str, Any]) -> str:
    """Return the time of an event's last occurrence, in whole seconds."""
    series = one.get("series") or {}
    for value in (series.get("lastObservedTime"), one.get("deprecatedLastTimestamp"), one.get("eventTime")):
        moment = time_of(value)
        if moment is not None:
            return rfc3339(moment)
    return text_of(one.get("metadata") or {}, "creationTimestamp")


def issued_at(request: Request, not_before: datetime) -> datetime:
    """Estimate when the certificate was issued: the time of the answer, else its begin or the request's."""
    found = progress_of(request).since
    if found is not None:
        return found
    return max(not_before, request.created)
