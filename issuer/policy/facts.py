"""A request as policies see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from issuer.x509.contents import Contents, named_by_common_name
from issuer.x509.request import CertificateSigningRequest


@dataclass(frozen=True, slots=True)
class IssuerReference:
    """`spec.issuerRef` of a request. An empty kind or group means cert-manager's default for it."""

    name: str
    kind: str
    group: str


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A CertificateRequest as policies see it.

    `username` and `groups` are the requester's, as cert-manager's webhook stamped them. `usages` are those of
    spec.usages, possibly none; `duration` is None if the request names none. With `shortens`, a duration
    beyond a policy's maxDuration is cut to that, not denied. For `policy_only` requests policies are the only
    check: the CA signs whatever is asked, weak keys too. With `names_common_name` the CA makes an alternative
    name of a common name that comes alone, which is judged as such, too.
    """

    name: str
    namespace: str
    username: str
    groups: tuple[str, ...]
    issuer: IssuerReference
    csr: CertificateSigningRequest
    duration: timedelta | None
    usages: tuple[str, ...]
    is_ca: bool
    shortens: bool = False
    policy_only: bool = False
    names_common_name: bool = False

    @property
    def contents(self) -> Contents:
        """The values that would be signed, by their place."""
        return named_by_common_name(self.csr.contents) if self.names_common_name else self.csr.contents
