"""Requests as people have them: a CertificateRequest, a Certificate, or a bare PEM request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Final

from issuer.duration import parse_duration
from issuer.explain.certificate import request_for
from issuer.kube.identity import User
from issuer.manifests.documents import Document, is_pem, read_documents, read_source
from issuer.manifests.errors import BadInput
from issuer.manifests.fields import Fields
from issuer.manifests.requester import CERT_MANAGER, NOBODY
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.requests.issuers import BUILT_IN, IssuerKinds
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import CertificateSigningRequest, decode_request, read_request
from issuer.x509.usages import read_usages

_CERT_MANAGER_GROUP: Final = "cert-manager.io"
_ISSUER: Final = re.compile(r"^([A-Za-z][A-Za-z0-9]*)(?:\.([a-z0-9.-]+))?/([^/\s]+)$")
_DEFAULT_DURATION: Final = "2160h"


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Options that add to a request. All but `namespace` and `kinds` are for a bare PEM request.

    `kinds` are the kinds of issuers that sign requests.
    """

    namespace: str | None = None
    issuer: str | None = None
    duration: str | None = None
    usages: tuple[str, ...] = ()
    is_ca: bool = False
    kinds: IssuerKinds = BUILT_IN

    def only_for_pem(self) -> list[str]:
        """Return the options in use that only a bare PEM request may have."""
        used = {
            "--issuer": self.issuer is not None,
            "--duration": self.duration is not None,
            "--usages": bool(self.usages),
            "--is-ca": self.is_ca,
        }
        return [option for option, given in used.items() if given]


@dataclass(frozen=True, slots=True)
class ReviewInput:
    """One request to evaluate. `requester` is its author, known or assumed; `notes` say what was assumed.

    `served_groups` are the API groups of the issuers that sign requests. `policy_only` and
    `names_common_name` are as in `RequestFacts`; offline nobody knows the issuer's path.
    """

    source: str
    kind: str
    name: str
    namespace: str
    issuer: IssuerReference
    csr: CertificateSigningRequest = field(repr=False)
    duration: timedelta | None
    usages: tuple[str, ...]
    is_ca: bool
    requester: User
    notes: tuple[str, ...] = ()
    policy_only: bool = False
    names_common_name: bool = False
    served_groups: tuple[str, ...] = BUILT_IN.groups

    @property
    def title(self) -> str:
        """Namespace and name; a CertificateSigningRequest for a cluster issuer has only a name."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def facts(self, requester: User) -> RequestFacts:
        """Return the facts that policies evaluate."""
        return RequestFacts(
            name=self.name,
            namespace=self.namespace,
            username=requester.name,
            groups=requester.groups,
            issuer=self.issuer,
            csr=self.csr,
            duration=self.duration,
            usages=self.usages,
            is_ca=self.is_ca,
            policy_only=self.policy_only,
            names_common_name=self.names_common_name,
        )


def read_requests(path: str, options: RequestOptions) -> list[ReviewInput]:
    """Read the requests of a file (`-`: standard input), in order. Raises BadInput if there are none."""
    source, content = read_source(path)
    if is_pem(content):
        return [pem_request(source, content, options)]
    return requests_in(read_documents(source, content), source, options)


def requests_in(documents: Iterable[Document], source: str, options: RequestOptions) -> list[ReviewInput]:
    """Return the requests among these documents. Raises BadInput, also if there are none."""
    surplus = options.only_for_pem()
    if surplus:
        raise BadInput(f"{', '.join(surplus)}: only for a bare PEM request; {source} says these itself")
    found = [_request(document, options) for document in documents if _is_request(document)]
    if not found:
        raise BadInput(
            f"{source} holds no request: give a CertificateRequest or a Certificate of cert-manager.io/v1, "
            "or a PEM file with a CERTIFICATE REQUEST"
        )
    return found


def pem_request(source: str, content: bytes, options: RequestOptions) -> ReviewInput:
    """Read a bare request, with everything else from the options. Raises BadInput."""
    if options.issuer is None:
        raise BadInput(
            f"{source} is a bare request and names no issuer: add --issuer KIND/NAME, "
            f"for example --issuer {next(kind for kind in options.kinds if not kind.namespaced).kind}/demo"
        )
    usages = tuple(one.strip() for text in options.usages for one in text.split(",") if one.strip())
    unknown = read_usages(usages).unknown
    if unknown:
        raise BadInput(f"--usages: {', '.join(sorted(unknown))} is no usage that cert-manager knows")
    notes = [] if options.namespace else ["no --namespace: judged as in the namespace default"]
    try:
        csr = read_request(content)
    except InvalidRequest as error:
        raise BadInput(f"{source}: {error}") from error
    issuer = parse_issuer(options.issuer, options.kinds)
    return ReviewInput(
        source=source,
        kind="PEM",
        name="request",
        namespace=options.namespace or "default",
        issuer=issuer,
        csr=csr,
        duration=None if options.duration is None else _duration("--duration", options.duration),
        usages=usages,
        is_ca=options.is_ca,
        requester=NOBODY,
        notes=tuple(notes),
        names_common_name=options.kinds.names_common_name(asdict(issuer)),
        served_groups=options.kinds.groups,
    )


def parse_issuer(text: str, kinds: IssuerKinds) -> IssuerReference:
    """Parse `KIND/NAME` or `KIND.GROUP/NAME`; without a group it is the kind's. Raises BadInput."""
    match = _ISSUER.match(text)
    if match is None:
        forms = " or ".join(f"{kind.kind}/NAME" for kind in kinds)
        raise BadInput(f"--issuer {text!r} is not KIND/NAME: write {forms}")
    word, group, name = match.groups()
    kind = kinds.spelled(word)
    if kind is None or group not in (None, kind.group):
        return IssuerReference(name=name, kind=word, group=group or kinds.groups[0])
    return IssuerReference(name=name, kind=kind.api_kind, group=kind.group)


def _is_request(document: Document) -> bool:
    return document.group == _CERT_MANAGER_GROUP and document.kind in ("CertificateRequest", "Certificate")


def _request(document: Document, options: RequestOptions) -> ReviewInput:
    spec = Fields(document.source, "", document.data).inner("spec")
    spec = Fields(document.source, "spec", spec.data)
    namespace, notes = _namespace(document, options)
    notes += _issuer_notes(spec, options.kinds)
    duration = spec.text("duration")
    if document.kind == "Certificate":
        notes += _certificate_notes(duration)
    issuer = _issuer(spec)
    return ReviewInput(
        source=document.source,
        kind=document.kind,
        name=_name(document),
        namespace=namespace,
        issuer=issuer,
        csr=_csr(document, spec),
        duration=_duration(f"{document.source}: spec.duration", duration) if duration else None,
        usages=spec.texts("usages"),
        is_ca=spec.flag("isCA"),
        requester=CERT_MANAGER if document.kind == "Certificate" else _stamped(spec),
        notes=tuple(notes),
        names_common_name=options.kinds.names_common_name(asdict(issuer)),
        served_groups=options.kinds.groups,
    )


def _csr(document: Document, spec: Fields) -> CertificateSigningRequest:
    try:
        if document.kind == "Certificate":
            return read_request(request_for(spec))
        return decode_request("".join(spec.required("request").split()))
    except InvalidRequest as error:
        raise BadInput(f"{document.source}: spec.request: {error}") from error


def _name(document: Document) -> str:
    """Return the name, or for `generateName` a name that begins so."""
    if not document.name:
        prefix = document.metadata.get("generateName")
        if not isinstance(prefix, str) or not prefix:
            raise BadInput(f"{document.source}: metadata.name is missing")
        return f"{prefix}xxxxx"
    # cert-manager names the request after the Certificate and its revision.
    return f"{document.name}-1" if document.kind == "Certificate" else document.name


def _namespace(document: Document, options: RequestOptions) -> tuple[str, list[str]]:
    own = document.metadata.get("namespace")
    if isinstance(own, str) and own:
        if options.namespace not in (None, own):
            raise BadInput(
                f"{document.source} is of the namespace {own}, but --namespace says {options.namespace}"
            )
        return own, []
    if options.namespace:
        return options.namespace, []
    return "default", ["it names no namespace: judged as in the namespace default (see --namespace)"]


def _issuer(spec: Fields) -> IssuerReference:
    reference = spec.inner("issuerRef")
    # cert-manager's defaults, set by its webhook before anybody sees the request.
    return IssuerReference(
        name=reference.required("name"),
        kind=reference.text("kind") or "Issuer",
        group=reference.text("group") or _CERT_MANAGER_GROUP,
    )


def _issuer_notes(spec: Fields, kinds: IssuerKinds) -> list[str]:
    issuer = _issuer(spec)
    served = [kind.api_kind for kind in kinds.of_group(issuer.group)]
    if not served:
        groups = " and ".join(kinds.groups)
        said = (
            "" if spec.inner("issuerRef").text("group") else " (the default, as issuerRef.group is not set)"
        )
        note = (
            f"its issuer is of the group {issuer.group}{said}: vault-issuer handles only issuers of {groups}"
        )
        return [f"{note}, and will leave this request alone"]
    if issuer.kind not in served:
        return [f"{issuer.group} has no kind {issuer.kind}: use {' or '.join(served)}"]
    return []


def _certificate_notes(duration: str) -> list[str]:
    note = (
        "made from a Certificate: the request is the one cert-manager would make (an approximation, with a "
        f"key made for this), and without --as its requester is taken to be {CERT_MANAGER.name}"
    )
    notes = [note]
    if not duration:
        notes.append(
            f"spec.duration is not set: the certificate would be valid for {_DEFAULT_DURATION}, but "
            "cert-manager writes no duration into the request, and a policy with minDuration or maxDuration "
            "wants one"
        )
    return notes


def _stamped(spec: Fields) -> User:
    """Return the author that cert-manager's webhook wrote, NOBODY if the object was never in a cluster."""
    username = spec.text("username")
    if not username:
        return NOBODY
    extra = spec.inner("extra")
    names = tuple(sorted((key, extra.texts(key)) for key in extra.data))
    return User(username, spec.text("uid"), spec.texts("groups"), names)


def _duration(where: str, text: str) -> timedelta:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from error
    if duration <= timedelta(0):
        raise BadInput(f"{where}: {text} is not positive")
    return duration
