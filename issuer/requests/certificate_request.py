"""A cert-manager CertificateRequest, as the JSON the API server sends.

Source: cert-manager.io/docs/usage/certificaterequest and the external-issuer
contract at cert-manager.io/docs/contributing/external-issuers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from issuer.duration import parse_duration
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.reasons import FailureReason
from issuer.requests import status
from issuer.requests.conditions import bounded, ready_of
from issuer.requests.issuers import MAX_NAME, IssuerKey
from issuer.requests.reason_message import Opening, opening_of
from issuer.requests.request import BadSpec, Request
from issuer.requests.resources import CERTIFICATE_REQUESTS, CERTIFICATES

_OBJECT_NAME: Final = re.compile("[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_MAX_UID: Final = 64
"""Characters; the API server makes UUIDs of 36."""


@dataclass(frozen=True)
class CertificateRequest(Request):
    """Request that is answered by conditions in one status write; cert-manager's webhook freezes its spec."""

    kind: ClassVar[str] = "CertificateRequest"
    resource: ClassVar[Resource] = CERTIFICATE_REQUESTS
    only_others_approve: ClassVar[bool] = False
    tells_by_event: ClassVar[bool] = False
    kept_annotations: ClassVar[tuple[str, ...]] = ()
    status_takes_metadata: ClassVar[bool] = False
    policy_shortens: ClassVar[bool] = False

    @property
    def finished(self) -> bool:
        """Return True if it has been answered for good: issued, failed or denied."""
        ready = ready_of(self.object)
        return ready.get("status") == "True" or ready.get("reason") in ("Failed", "Denied")

    @property
    def keeps_room(self) -> bool:
        """Return True if it says that it is signed next: that message is longer than a failure's."""
        ready = ready_of(self.object)
        return opening_of(str(ready.get("message") or "")) is Opening.IS_SIGNED_NEXT

    @property
    def is_ours(self) -> bool:
        """Return True if its issuer belongs to one of our API groups, whatever its kind."""
        return (self.spec.get("issuerRef") or {}).get("group") in self.issuer_kinds.groups

    @property
    def issuer(self) -> IssuerKey:
        """Return the issuer it names. Raises BadSpec if the kind is none of ours."""
        reference = self.spec["issuerRef"]
        if len(reference["name"]) > MAX_NAME:
            raise BadSpec(f"spec.issuerRef.name is longer than the {MAX_NAME} characters of a name")
        kind = self.issuer_kinds.referred(reference)
        if kind is not None:
            return kind.key(self.key.namespace, reference["name"])
        group, asked = str(reference.get("group") or ""), str(reference.get("kind") or "")
        kinds = " or ".join(kind.api_kind for kind in self.issuer_kinds.of_group(group))
        raise BadSpec(
            f"spec.issuerRef.kind {bounded(asked, 80)!r} is not a kind of group {group}: use {kinds}"
        )

    @property
    def certificate(self) -> Object | None:
        """The Certificate that controls it. Whoever makes a request writes this: it may name what is not."""
        for owner in self.object["metadata"].get("ownerReferences") or ():
            group = str(owner.get("apiVersion", "")).partition("/")[0]
            if (owner.get("controller"), owner.get("kind"), group) != (
                True,
                "Certificate",
                CERTIFICATES.group,
            ):
                continue
            name, uid = str(owner.get("name", "")), str(owner.get("uid", ""))
            if len(name) <= MAX_NAME and len(uid) <= _MAX_UID and _OBJECT_NAME.fullmatch(name):
                metadata = {"name": name, "namespace": self.key.namespace, "uid": uid}
                return {"apiVersion": CERTIFICATES.api_version, "kind": "Certificate", "metadata": metadata}
        return None

    @property
    def policy_namespace(self) -> str:
        """Return its own namespace."""
        return self.key.namespace

    @property
    def duration(self) -> timedelta | None:
        """Return the lifetime asked for. Raises BadSpec if it can't be read."""
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
    def is_ca(self) -> bool:
        """Return True if a CA certificate is asked for."""
        return self.spec.get("isCA") is True

    def issued(
        self, now: datetime, message: str, certificate_pem: str, ca_pem: str, approval: str | None
    ) -> Object:
        """Set Approved where it is ours, and Ready, with certificate and CA."""
        return status.issued(self, now, message, certificate_pem, ca_pem, approval)

    def carries(self, certificate_pem: str) -> bool:
        """Return True if its status already holds this certificate."""
        return status.carries(self.object, certificate_pem)

    def failed(self, now: datetime, _reason: FailureReason, message: str) -> Object:
        """Set Ready to False with the one reason that the contract has for it."""
        return status.failed(self, now, message)

    def refused(self, now: datetime, denial: str | None) -> Object:
        """Set Ready to False, and Denied where that is ours."""
        return status.denied(self, now, denial)

    def pending(self, now: datetime, message: str) -> Object | None:
        """Set Ready to False with reason Pending; None if it says just that already."""
        return status.pending(self, now, message)
