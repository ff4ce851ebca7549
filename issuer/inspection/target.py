"""Targets of a command: `NAME`, `csr/NAME` or `certificate/NAME`, also as `kubectl get -o name` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.cluster import find_namespace
from issuer.inspection.reading import Reader
from issuer.kube.client import KubeClient
from issuer.kube.errors import ConfigError, NotFound
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import Request
from issuer.requests.resources import CERTIFICATE_REQUESTS, CERTIFICATES

CERTIFICATE: Final = "Certificate"
CERTIFICATE_NAME: Final = "cert-manager.io/certificate-name"
REVISION: Final = "cert-manager.io/certificate-revision"
"""Annotations that cert-manager puts on the requests of a Certificate (pkg/apis/certmanager/v1/types.go)."""

_PREFIXES: Final[dict[str, str]] = {
    "": CertificateRequest.kind,
    "cr": CertificateRequest.kind,
    "certificaterequest": CertificateRequest.kind,
    "certificaterequests": CertificateRequest.kind,
    "csr": KubernetesCSR.kind,
    "certificatesigningrequest": KubernetesCSR.kind,
    "certificatesigningrequests": KubernetesCSR.kind,
    "cert": CERTIFICATE,
    "certificate": CERTIFICATE,
    "certificates": CERTIFICATE,
}

_REQUESTS: Final[dict[str, type[Request]]] = {kind.kind: kind for kind in KINDS}
_RESOURCES: Final[dict[str, Resource]] = {
    CERTIFICATE: CERTIFICATES,
    **{kind.kind: kind.resource for kind in KINDS},
}


@dataclass(frozen=True, slots=True)
class InspectionTarget:
    """Object by kind and name; `namespace` is "" for Kubernetes' own requests."""

    kind: str
    namespace: str
    name: str


def parse_target(text: str, namespace: str) -> InspectionTarget:
    """Parse a target in a namespace. Raises BadInput."""
    prefix, slash, name = text.rpartition("/")
    kind = _PREFIXES.get(prefix.partition(".")[0].lower() if slash else "")
    if kind is None or not name or (slash and not prefix):
        raise BadInput(
            f"{shown(text)} names no request: write NAME of a CertificateRequest, csr/NAME of a "
            "CertificateSigningRequest, or certificate/NAME"
        )
    return InspectionTarget(kind, "" if kind == KubernetesCSR.kind else namespace, name)


async def find_request(reader: Reader, target: InspectionTarget) -> Request:
    """Read the request of a target, of a Certificate the current one. Raises BadInput, KubeError."""
    client = reader.client
    request = _REQUESTS.get(target.kind)
    try:
        if request is not None:
            found = await client.get(request.resource, target.name, target.namespace or None)
            return request(found, reader.backends.kinds)
        certificate = await client.get(CERTIFICATES, target.name, target.namespace)
    except NotFound as error:
        where = f" in the namespace {target.namespace} (see -n)" if target.namespace else ""
        other = f"; for a Certificate's current request write certificate/{shown(target.name)}"
        hint = other if target.kind == CertificateRequest.kind else ""
        raise BadInput(f"there is no {target.kind} {shown(target.name)}{where}{hint}") from error
    return CertificateRequest(await _current(client, target, certificate), reader.backends.kinds)


async def _current(client: KubeClient, target: InspectionTarget, certificate: Object) -> Object:
    """Return the newest request of a Certificate: the highest revision, then the youngest."""
    uid = certificate["metadata"].get("uid")
    best: tuple[tuple[int, str], Object] | None = None
    async for one in client.list_all(CERTIFICATE_REQUESTS, namespace=target.namespace):
        if not _is_of(one, target.name, uid):
            continue
        rank = _revision(one), str(one["metadata"].get("creationTimestamp") or "")
        if best is None or rank > best[0]:
            best = rank, one
    if best is None:
        raise BadInput(
            f"the Certificate {shown(target.name)} has no CertificateRequest: kubectl describe certificate "
            f"{shown(target.name)} -n {target.namespace} says why cert-manager makes none"
        )
    return best[1]


def _is_of(request: Object, name: str, uid: object) -> bool:
    """Return True for requests of this very Certificate: one made again under its name has another uid."""
    owners = request["metadata"].get("ownerReferences") or ()
    if owners:
        return any(one.get("uid") == uid for one in owners)
    return certificate_of(request) == name


def certificate_of(request: Object) -> str:
    """Return the name of the Certificate that a request is for, or ""."""
    annotations = request["metadata"].get("annotations") or {}
    return str(annotations.get(CERTIFICATE_NAME) or "")


def _revision(request: Object) -> int:
    text = str((request["metadata"].get("annotations") or {}).get(REVISION) or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0


def chosen_target(
    text: str, namespace: str | None, kubeconfig: str | None, context: str | None
) -> InspectionTarget:
    """Parse a target, in the kubeconfig's namespace if none is given. Raises BadInput."""
    try:
        return parse_target(text, namespace or find_namespace(kubeconfig, context))
    except ConfigError as error:
        raise BadInput(f"no cluster: {error.message}") from error


async def names(client: KubeClient, incomplete: str, namespace: str, most: int) -> list[str]:
    """Return completions of an incomplete target, from the first `most` objects. Raises KubeError."""
    prefix, slash, _ = incomplete.rpartition("/")
    kind = _PREFIXES.get(prefix.partition(".")[0].lower() if slash else "")
    if kind is None:
        return []
    resource = _RESOURCES[kind]
    page = await client.list_page(resource, namespace=namespace if resource.namespaced else None, limit=most)
    found = [f"{prefix}{slash}{one['metadata']['name']}" for one in page.items if _is_ours(kind, one)]
    prefixes = [] if slash else ["certificate/", "csr/"]
    return [one for one in (*found, *prefixes) if one.startswith(incomplete)]


def _is_ours(kind: str, one: Object) -> bool:
    request = _REQUESTS.get(kind)
    return request is None or request(one).is_ours
