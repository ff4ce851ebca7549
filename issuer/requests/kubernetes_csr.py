"""A Kubernetes CertificateSigningRequest (certificates.k8s.io/v1), as the JSON the API server sends.

Source: kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests; names of signers,
annotations and their defaults as in cert-manager, cert-manager.io/docs/usage/kube-csr.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from issuer.duration import parse_duration
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.reasons import FailureReason
from issuer.requests.conditions import bounded, is_true
from issuer.requests.issuers import IssuerKey, IssuerKind
from issuer.requests.reasons import RequestFailure
from issuer.requests.request import BadSpec, Request
from issuer.requests.resources import CERTIFICATE_SIGNING_REQUESTS
from issuer.text import rfc3339
from issuer.x509.extensions import asked_constraints
from issuer.x509.request import CertificateSigningRequest
from issuer.x509.usages import CERT_SIGN, read_usages
from issuer.x509.verification.lifetimes import DEFAULT_LIFE

DURATION: Final = "experimental.cert-manager.io/request-duration"
IS_CA: Final = "experimental.cert-manager.io/request-is-ca"
SHORTEST: Final = timedelta(seconds=600)
"""Kubernetes' own least spec.expirationSeconds, which holds for the annotation too."""


@dataclass(frozen=True)
class KubernetesCSR(Request):
    """Request that is answered by `status.certificate`, or once and for all by the condition Failed.

    Its spec is frozen, its annotations are not: whoever may update it can change them until it is answered,
    after its approval, too. So an annotation only narrows what the spec asks for.
    """

    kind: ClassVar[str] = "CertificateSigningRequest"
    resource: ClassVar[Resource] = CERTIFICATE_SIGNING_REQUESTS
    only_others_approve: ClassVar[bool] = True
    tells_by_event: ClassVar[bool] = True
    kept_annotations: ClassVar[tuple[str, ...]] = (DURATION, IS_CA)
    status_takes_metadata: ClassVar[bool] = True
    policy_shortens: ClassVar[bool] = True

    @property
    def signer_name(self) -> str:
        """`spec.signerName`."""
        return str(self.spec.get("signerName") or "")

    @property
    def finished(self) -> bool:
        """Return True if it was denied, has failed, or has its certificate."""
        certificate = (self.object.get("status") or {}).get("certificate")
        return self.denied or is_true(self.conditions, "Failed") or bool(certificate)

    @property
    def is_ours(self) -> bool:
        """Return True if its signer is named in the domain of one of our kinds."""
        return self.issuer_kinds.of_domain(self.signer_name.partition("/")[0]) is not None

    @property
    def issuer(self) -> IssuerKey:
        """Return the issuer its signer name stands for. Raises BadSpec if it stands for none.

        No namespace has a dot in its name, so the first one ends it.
        """
        domain, _, path = self.signer_name.partition("/")
        kind = self.issuer_kinds.of_domain(domain)
        if kind is not None and not kind.namespaced and path:
            return kind.key("", path)
        namespace, _, name = path.partition(".")
        if kind is not None and kind.namespaced and namespace and name:
            return kind.key(namespace, name)
        forms = ", or ".join(map(_form, sorted(self.issuer_kinds, key=lambda kind: kind.namespaced)))
        raise BadSpec(
            f"spec.signerName {self.signer_name!r} names no issuer: use {forms}",
            RequestFailure.INVALID_SIGNER_NAME,
        )

    @property
    def policy_namespace(self) -> str:
        """Return the issuer's namespace: the request has none."""
        return self.issuer.namespace

    @property
    def news(self) -> tuple[str | bool | None, ...]:
        """Return its approval, and what the annotations ask for."""
        return self.uid, self.approved, self.denied, self._annotation(DURATION), self._annotation(IS_CA)

    @property
    def duration(self) -> timedelta | None:
        """Return `spec.expirationSeconds`, or the annotation's if less; None without the field.

        It is the CA's usual life then, within `longest`. Raises BadSpec.
        """
        seconds, annotated = self.spec.get("expirationSeconds"), self.longest
        if seconds is None:
            return None
        frozen = timedelta(seconds=seconds)
        return frozen if annotated is None else min(annotated, frozen)

    @property
    def judged_duration(self) -> timedelta:
        """Return `duration`, or the most that a request without one may get: policies cut what is too long.

        Raises BadSpec.
        """
        named = self.duration
        return min(self.longest or DEFAULT_LIFE, DEFAULT_LIFE) if named is None else named

    @property
    def longest(self) -> timedelta | None:
        """Return the annotation's lifetime, which can only shorten. Raises BadSpec."""
        text = self._annotation(DURATION)
        if text is None:
            return None
        try:
            duration = parse_duration(text)
        except ValueError as error:
            raise BadSpec(f"annotation {DURATION}: {error}", RequestFailure.ERROR_PARSE_DURATION) from error
        if duration < SHORTEST:
            raise BadSpec(
                f"annotation {DURATION}: {text} is less than 10 minutes", RequestFailure.INVALID_DURATION
            )
        return duration

    @property
    def is_ca(self) -> bool:
        """Return True if the annotation asks for a CA. Raises BadSpec for more than true and false."""
        text = self._annotation(IS_CA)
        if text not in (None, "true", "false"):
            raise BadSpec(
                f"annotation {IS_CA} is {bounded(str(text), 40)!r}: write true or false, or leave it out",
                RequestFailure.INVALID_ANNOTATION,
            )
        return text == "true"

    def check(self, csr: CertificateSigningRequest) -> None:
        """Raise BadSpec if the annotation asks for a CA and the frozen spec doesn't, in both its places."""
        if not self.is_ca:
            return
        try:
            constraints = asked_constraints(csr.extensions)
        except ValueError as error:
            raise BadSpec(f"spec.request: the basicConstraints can't be decoded: {error}") from error
        missing = []
        if constraints is None or not constraints.ca:
            missing.append("basicConstraints CA:TRUE in the CSR of spec.request")
        if CERT_SIGN not in read_usages(self.usages).key:
            missing.append(f'"{CERT_SIGN}" in spec.usages')
        if missing:
            raise BadSpec(
                f"annotation {IS_CA} asks for a CA, and the request lacks {' and '.join(missing)}: as an "
                "annotation can be changed after the approval, it is not enough. Make a new request",
                RequestFailure.CA_FLAGS_CONTRADICT,
            )

    def _annotation(self, name: str) -> str | None:
        found = (self.object["metadata"].get("annotations") or {}).get(name)
        return None if found is None else str(found)

    def issued(
        self, now: datetime, message: str, certificate_pem: str, ca_pem: str, approval: str | None
    ) -> Object:
        """Set leaf and intermediates without the root: as from cert-manager, it is no trust anchor."""
        return self._status(certificate=_encoded(certificate_pem))

    def carries(self, certificate_pem: str) -> bool:
        """Return True if its status already holds this certificate."""
        return bool((self.object.get("status") or {}).get("certificate") == _encoded(certificate_pem))

    def failed(self, now: datetime, reason: FailureReason, message: str) -> Object:
        """Set the condition Failed, which nobody can take back."""
        moment = rfc3339(now)
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": reason,
            "message": bounded(message),
            "lastTransitionTime": moment,
            "lastUpdateTime": moment,
        }
        return self._status(conditions=[*self.conditions, condition])

    def refused(self, now: datetime, denial: str | None) -> None:
        """Return None: Denied says it all, and is never ours to set."""

    def pending(self, now: datetime, message: str) -> None:
        """Return None: there is no condition for it, an event says why it waits."""

    def _status(self, **fields: object) -> Object:
        return {**self.object, "status": {**(self.object.get("status") or {}), **fields}}


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()


def _form(kind: IssuerKind) -> str:
    name = "NAMESPACE.NAME" if kind.namespaced else "NAME"
    return f"{kind.signer_domain}/{name} for a {kind.kind}"
