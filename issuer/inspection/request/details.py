"""Details of one request: its issuer, CSR, policies and events, as far as they may be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from issuer.api.issuers import IssuerSpec, SpecError
from issuer.explain.cluster import RIGHTS, ClusterOptions, explain
from issuer.explain.evaluation import Explanation
from issuer.explain.review_input import ReviewInput
from issuer.inspection.alternatives import issuers_in_reach, nearest
from issuer.inspection.events import events_of
from issuer.inspection.lookup import certificate_of
from issuer.inspection.progress import Progress, RequestState, progress_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.errors import Forbidden
from issuer.kube.identity import User
from issuer.kube.wire import Object
from issuer.policy.facts import IssuerReference
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import BadSpec, Request
from issuer.signing.backend import Backends
from issuer.signing.profile import SigningProfile
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import CertificateSigningRequest, decode_request

EVENTS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class RequestDetails:
    """All that is known of a request.

    `csr` is None where `csr_problem` says why it can't be read, `issuer_key` where `spec_problem` says why
    the request is not served. `issuer` is the issuer's object: None where it isn't there, or not
    `issuer_readable`. `explanation` is what the policies say now, of a request without a certificate; `gaps`
    say what is withheld. `alternatives` are the issuers that may be meant where there is none of that name.
    `certificate_word` is what cert-manager says of the Certificate, and `certificate_overdue` that it should
    have been renewed by now, where that was asked for.
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
    alternatives: tuple[IssuerKey, ...] = ()
    certificate_word: str = ""
    certificate_overdue: str = ""

    @property
    def requester(self) -> User:
        """Author of the request, as the API server or cert-manager's webhook stamped it."""
        return self.request.requester


async def gather(reader: Reader, request: Request) -> RequestDetails:
    """Read everything about a request. Raises KubeError."""
    progress = progress_of(request)
    csr, csr_problem = _csr(request)
    key, spec_problem = _issuer_key(request)
    issuer, readable = await _issuer(reader, key)
    spec = _issuer_spec(reader.backends, key, issuer)
    profile = None if key is None or spec is None else reader.backends.of(key.kind).profile(spec)
    alternatives: tuple[IssuerKey, ...] = ()
    if progress.state is RequestState.WAITING and request.is_ours and issuer is None and readable:
        alternatives = nearest(named_issuer(request), await issuers_in_reach(reader, request.key.namespace))
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
        alternatives=alternatives,
    )


def named_issuer(request: Request) -> str:
    """Return the name that a request gives for its issuer, be there such a kind or not."""
    key = request.issuer_if_any
    if key is not None:
        return key.name
    return str((request.spec.get("issuerRef") or {}).get("name") or "")


def review_input_of(
    request: Request, csr: CertificateSigningRequest, key: IssuerKey, profile: SigningProfile | None
) -> ReviewInput:
    """Return the request as `policy explain` evaluates one, for an issuer that signs so. Raises BadSpec."""
    return ReviewInput(
        source="as it is in the cluster",
        kind=request.kind,
        name=request.key.name,
        namespace=request.policy_namespace,
        issuer=IssuerReference(**request.issuer_kinds.reference(key)),
        csr=csr,
        duration=request.judged_duration,
        usages=tuple(request.spec.get("usages") or ()),
        is_ca=request.is_ca,
        requester=request.requester,
        policy_only=profile is not None and profile.is_policy_only(is_ca=request.is_ca),
        names_common_name=request.issuer_kinds[key.kind].names_common_name,
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


async def _issuer(reader: Reader, key: IssuerKey | None) -> tuple[Object | None, bool]:
    """Return the issuer's object, None if there is none, and True unless it may not be read."""
    if key is None:
        return None, True
    resource = reader.backends.kinds[key.kind].resource
    try:
        return await reader.get(resource, key.name, key.namespace or None, what="its issuer is"), True
    except Withheld:
        return None, False


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
    # Events of objects without a namespace are in `default`.
    return await events_of(reader, request.uid, request.key.namespace or "default")


def issued_at(request: Request, not_before: datetime) -> datetime:
    """Estimate when the certificate was issued: the time of the answer, else its begin or the request's."""
    found = progress_of(request).since
    if found is not None:
        return found
    return max(not_before, request.created)
