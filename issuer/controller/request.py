"""Reading a cert-manager CertificateRequest, as the JSON the API server sends, without I/O.

Source: cert-manager.io/docs/usage/certificaterequest and the external-issuer
contract at cert-manager.io/docs/contributing/external-issuers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from issuer.api.duration import parse_duration
from issuer.api.group import CLUSTER_ISSUER_KIND, GROUP, ISSUER_KIND
from issuer.controller.conditions import find, is_true, parse_time

# What cert-manager asks for when a request names no usages (pkg/util/pki: DefaultKeyUsages).
DEFAULT_USAGES = frozenset({"digital signature", "key encipherment"})


class RequestKey(NamedTuple):
    """Names one CertificateRequest."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class IssuerKey(NamedTuple):
    """Names one issuer; ``namespace`` is empty for cluster issuers."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class BadSpec(ValueError):
    """The request's spec can never be served; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A CertificateRequest with the questions the controller asks of it."""

    object: dict[str, Any]

    @property
    def key(self) -> RequestKey:
        """Namespace and name."""
        meta = self.object["metadata"]
        return RequestKey(meta["namespace"], meta["name"])

    @property
    def uid(self) -> str:
        """The API server's identity of this very object."""
        return str(self.object["metadata"]["uid"])

    @property
    def created(self) -> datetime:
        """When the API server accepted it."""
        return parse_time(self.object["metadata"]["creationTimestamp"])

    @property
    def spec(self) -> dict[str, Any]:
        """``spec`` as it was sent; cert-manager's webhook freezes it."""
        return self.object["spec"]  # type: ignore[no-any-return]

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """``status.conditions``, possibly empty."""
        return (self.object.get("status") or {}).get("conditions") or []

    @property
    def approved(self) -> bool:
        """Whether an approver has set ``Approved`` to True."""
        return is_true(self.conditions, "Approved")

    @property
    def denied(self) -> bool:
        """Whether an approver has set ``Denied`` to True."""
        return is_true(self.conditions, "Denied")

    @property
    def finished(self) -> bool:
        """Whether it has been answered for good: issued, failed or denied."""
        ready = find(self.conditions, "Ready")
        if ready is None:
            return False
        return ready.get("status") == "True" or ready.get("reason") in ("Failed", "Denied")

    @property
    def is_ours(self) -> bool:
        """Whether its issuer belongs to our API group."""
        return (self.spec.get("issuerRef") or {}).get("group") == GROUP

    @property
    def issuer(self) -> IssuerKey:
        """The issuer it names; raises BadSpec when the kind is none of ours."""
        reference = self.spec["issuerRef"]
        kind = reference.get("kind") or ""
        if kind == CLUSTER_ISSUER_KIND:
            return IssuerKey(kind, "", reference["name"])
        if kind == ISSUER_KIND:
            return IssuerKey(kind, self.key.namespace, reference["name"])
        raise BadSpec(
            f"spec.issuerRef.kind {kind!r} is not a kind of group {GROUP}: "
            f"use {ISSUER_KIND} or {CLUSTER_ISSUER_KIND}"
        )

    @property
    def duration(self) -> timedelta | None:
        """The lifetime asked for; raises BadSpec when it can't be read."""
        text = self.spec.get("duration")
        if text is None:
            return None
        try:
            duration = parse_duration(text)
        except ValueError as error:
            raise BadSpec(f"spec.duration: {error}") from error
        if duration <= timedelta(0):
            raise BadSpec(f"spec.duration {text} is not positive")
        return duration

    @property
    def usages(self) -> frozenset[str]:
        """Key usages and extended key usages asked for, by cert-manager's names."""
        return frozenset(self.spec.get("usages") or ()) or DEFAULT_USAGES

    @property
    def is_ca(self) -> bool:
        """Whether a CA certificate is asked for."""
        return self.spec.get("isCA") is True
