"""Takes our finalizer off requests by hand: before an uninstall, or where no controller is left to do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, KubeError, NotFound
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import has_finalizer, without_finalizer
from issuer.requests.resources import CERTIFICATE_REQUESTS

_CONFLICTS: Final = 5
RIGHTS: Final = (
    "Releasing takes list of certificaterequests.cert-manager.io (for the plan), get and update, "
    "in the namespace that --namespace names or in the whole cluster"
)


@dataclass(frozen=True, slots=True)
class FinalizedRequest:
    """A request that carries our finalizer."""

    namespace: str
    name: str
    issuer: str
    deleting: bool
    has_certificate: bool

    def to_json(self) -> dict[str, Any]:
        """Return the request as the command prints it."""
        return {
            "namespace": self.namespace,
            "name": self.name,
            "issuer": self.issuer,
            "deleting": self.deleting,
            "hasCertificate": self.has_certificate,
        }


async def find(client: KubeClient, namespace: str | None) -> list[FinalizedRequest]:
    """Return the requests with our finalizer, of one namespace or of all. Raises KubeError.

    Whatever its issuer's group: the field selector that the controller uses is not needed here.
    """
    try:
        requests = client.list_all(CERTIFICATE_REQUESTS, namespace=namespace)
        return [_found(request) async for request in requests if has_finalizer(request)]
    except NotFound:
        return []  # no CertificateRequests are known at all


async def release(client: KubeClient, one: FinalizedRequest) -> str | None:
    """Take the finalizer off; return None when it is off, else why not."""
    try:
        for _ in range(_CONFLICTS):
            obj = await client.get(CERTIFICATE_REQUESTS, one.name, one.namespace)
            if not has_finalizer(obj):
                return None
            try:
                await client.replace(CERTIFICATE_REQUESTS, without_finalizer(obj))
            except Conflict:
                continue
            return None
    except NotFound:
        return None
    except Forbidden as error:
        return f"{error.message}. {RIGHTS}"
    except KubeError as error:
        return error.message
    return "it kept changing"


def _found(obj: dict[str, Any]) -> FinalizedRequest:
    request = CertificateRequest(obj)
    reference = request.spec.get("issuerRef") or {}
    return FinalizedRequest(
        namespace=request.key.namespace,
        name=request.key.name,
        issuer=f"{reference.get('kind') or ''}/{reference.get('name') or ''}",
        deleting=request.deleted,
        has_certificate=bool((obj.get("status") or {}).get("certificate")),
    )
