"""Kinds of objects that a user may name, in the spellings that kubectl takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from issuer.api.group import POLICY_KIND, POLICY_SHORT
from issuer.kube.resources import SECRETS, Resource
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import BUILT_IN, IssuerKinds
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES, CERTIFICATES

CERTIFICATE: Final = "Certificate"
_VERSION: Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")


@dataclass(frozen=True, slots=True)
class TargetKind:
    """Kind of objects that commands take, as its resource and with its short names."""

    kind: str
    resource: Resource
    short_names: tuple[str, ...] = ()

    @property
    def words(self) -> frozenset[str]:
        """Return the words for it in lower case: kind, plural and short names."""
        return frozenset({self.kind.partition(".")[0].lower(), self.resource.plural, *self.short_names})

    @property
    def form(self) -> str:
        """Return how messages write a target of this kind."""
        return f"{self.kind.lower()}/NAME"

    def in_group(self, group: str) -> bool:
        """Return True if `group`, maybe with a version before it, is this kind's API group."""
        first, _, rest = group.partition(".")
        return group == self.resource.group or (
            _VERSION.fullmatch(first) is not None and rest == self.resource.group
        )


REQUEST_KIND: Final = TargetKind(CertificateRequest.kind, CertificateRequest.resource, ("cr",))
CSR_KIND: Final = TargetKind(KubernetesCSR.kind, KubernetesCSR.resource, ("csr",))
CERTIFICATE_KIND: Final = TargetKind(CERTIFICATE, CERTIFICATES, ("cert",))
POLICY_TARGET: Final = TargetKind(POLICY_KIND, CERTIFICATE_REQUEST_POLICIES, (POLICY_SHORT,))
SECRET_KIND: Final = TargetKind("Secret", SECRETS)


def explained_kinds(kinds: IssuerKinds = BUILT_IN) -> tuple[TargetKind, ...]:
    """Return what `explain` takes, with the issuers of these kinds."""
    return (REQUEST_KIND, CSR_KIND, CERTIFICATE_KIND, *_issuers(kinds), POLICY_TARGET)


def inspected_kinds(kinds: IssuerKinds = BUILT_IN) -> tuple[TargetKind, ...]:
    """Return what `inspect` takes, with the issuers of these kinds."""
    return (*explained_kinds(kinds), SECRET_KIND)


def _issuers(kinds: IssuerKinds) -> Iterator[TargetKind]:
    for one in kinds:
        yield TargetKind(one.kind, one.resource, (one.short_name,) if one.short_name else ())
