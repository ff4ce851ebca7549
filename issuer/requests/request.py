"""A request for a certificate, whichever kind of object it is, without I/O.

The questions the controller asks of one, and the answers it can be given. What a kind does differently is in
`certificate_request` (cert-manager's) and `kubernetes_csr` (Kubernetes' own).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, NamedTuple, Self

from issuer.kube.identity import User
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.reasons import FailureReason
from issuer.requests.conditions import is_true
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.requests.reasons import RequestFailure
from issuer.requests.resources import CERTIFICATE_REQUESTS, CERTIFICATE_SIGNING_REQUESTS
from issuer.text import parse_rfc3339
from issuer.x509.request import CertificateSigningRequest

# What cert-manager asks for when a request names no usages (pkg/util/pki: DefaultKeyUsages).
DEFAULT_USAGES = frozenset({"digital signature", "key encipherment"})


class RequestKey(NamedTuple):
    """Names one CertificateRequest or, with an empty `namespace`, one CertificateSigningRequest."""

    namespace: str
    name: str

    @property
    def resource(self) -> Resource:
        """The API resource that the request is of."""
        return CERTIFICATE_REQUESTS if self.namespace else CERTIFICATE_SIGNING_REQUESTS

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else f"CertificateSigningRequest {self.name}"


class BadSpec(ValueError):
    """Fault of a request that can never be served; the message says why, for `reason`."""

    def __init__(self, message: str, reason: FailureReason = RequestFailure.INVALID_REQUEST) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Request(ABC):
    """A request with the questions the controller asks of it, and its answers.

    An answer is the whole object to PUT to the `status` subresource, or None where that kind of object has
    nothing to say then.
    """

    object: Object
    issuer_kinds: IssuerKinds = field(default=BUILT_IN, repr=False, compare=False)

    kind: ClassVar[str]
    resource: ClassVar[Resource]
    only_others_approve: ClassVar[bool]
    """True if the approval is always somebody else's, whatever the issuer's `spec.approval`."""
    tells_by_event: ClassVar[bool]
    """True if its status has no place to say why it waits."""
    kept_annotations: ClassVar[tuple[str, ...]]
    """The annotations that are read of one that is open."""
    status_takes_metadata: ClassVar[bool]
    """True if a PUT to its status subresource replaces labels, annotations and finalizers, too."""
    policy_shortens: ClassVar[bool]
    """True if a policy's maxDuration cuts its lifetime, rather than deny it."""

    def with_object(self, obj: Object) -> Self:
        """Another copy of the same request."""
        return type(self)(obj, self.issuer_kinds)

    # Questions --------------------------------------------------------------

    @cached_property
    def key(self) -> RequestKey:
        """Namespace (empty where the kind has none) and name."""
        meta = self.object["metadata"]
        return RequestKey(meta.get("namespace", ""), meta["name"])

    @property
    def uid(self) -> str:
        """The API server's identity of this very object."""
        return str(self.object["metadata"]["uid"])

    @property
    def deleted(self) -> bool:
        """Return True if it is being deleted: a finalizer keeps it, and nobody wants an answer any more."""
        return bool(self.object["metadata"].get("deletionTimestamp"))

    @property
    def created(self) -> datetime:
        """Time at which the API server accepted it."""
        return parse_rfc3339(self.object["metadata"]["creationTimestamp"])

    @property
    def spec(self) -> Object:
        """`spec` as it was sent and frozen, with the requester's name, groups, uid and extra."""
        return self.object["spec"]  # type: ignore[no-any-return]

    @property
    def requester(self) -> User:
        """The user who made the request, as the API server or cert-manager's webhook wrote it."""
        return User.of(self.spec)

    @property
    def conditions(self) -> list[Object]:
        """`status.conditions`, possibly empty."""
        return (self.object.get("status") or {}).get("conditions") or []

    @property
    def approved(self) -> bool:
        """Return True if an approver has set `Approved`."""
        return is_true(self.conditions, "Approved")

    @property
    def denied(self) -> bool:
        """Return True if an approver has set `Denied`."""
        return is_true(self.conditions, "Denied")

    @property
    def usages(self) -> frozenset[str]:
        """Key usages and extended key usages asked for, by cert-manager's names."""
        return frozenset(self.spec.get("usages") or ()) or DEFAULT_USAGES

    @property
    def news(self) -> tuple[str | bool | None, ...]:
        """Values of which a change makes another look worth while."""
        return self.uid, self.approved, self.denied

    @property
    def keeps_room(self) -> bool:
        """Return True if its status keeps room for a failure, or has no place to keep it."""
        return True

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Return True if it has been answered for good: issued, failed or denied."""

    @property
    @abstractmethod
    def is_ours(self) -> bool:
        """Return True if its issuer is of one of our kinds or API groups."""

    @property
    @abstractmethod
    def issuer(self) -> IssuerKey:
        """Return the issuer it names. Raises BadSpec if that is none of ours."""

    @property
    def issuer_if_any(self) -> IssuerKey | None:
        """The issuer it names; None when it names none of ours."""
        try:
            return self.issuer
        except BadSpec:
            return None

    @property
    def certificate(self) -> Object | None:
        """The Certificate that it was made for: apiVersion, kind, and its name, namespace and uid. None if
        no owner reference names one."""
        return None

    @property
    @abstractmethod
    def policy_namespace(self) -> str:
        """Return the namespace in which policies and their `use` are looked at; empty for the cluster."""

    @property
    @abstractmethod
    def duration(self) -> timedelta | None:
        """Return the lifetime asked for, None where none is named. Raises BadSpec if it can't be read."""

    @property
    def longest(self) -> timedelta | None:
        """Return a bound of the lifetime that whoever named none may have set afterwards, None for no bound.

        Raises BadSpec if it can't be read.
        """
        return None

    @property
    def judged_duration(self) -> timedelta | None:
        """Return the lifetime that policies judge, None where a policy about lifetimes wants one named.

        Raises BadSpec if it can't be read.
        """
        return self.duration

    @property
    @abstractmethod
    def is_ca(self) -> bool:
        """Return True if a CA certificate is asked for. Raises BadSpec if that can't be read."""

    def check(self, csr: CertificateSigningRequest) -> None:
        """Raise BadSpec if the object asks for what its CSR, or what else can't be changed, doesn't."""
        return

    # Answers ----------------------------------------------------------------

    @abstractmethod
    def issued(
        self, now: datetime, message: str, certificate_pem: str, ca_pem: str, approval: str | None
    ) -> Object:
        """Return the answer with the certificate (leaf, then intermediates), and our approval if any."""

    @abstractmethod
    def carries(self, certificate_pem: str) -> bool:
        """Return True if its status already holds this certificate."""

    @abstractmethod
    def failed(self, now: datetime, reason: FailureReason, message: str) -> Object:
        """Return the answer of a request that can never be served; not each kind can hold a reason."""

    @abstractmethod
    def refused(self, now: datetime, denial: str | None) -> Object | None:
        """Return the answer of a denied request; `denial` is our message, None if another denied it."""

    @abstractmethod
    def pending(self, now: datetime, message: str) -> Object | None:
        """Return the answer that says for what it waits; None if it says so already, or can't."""
