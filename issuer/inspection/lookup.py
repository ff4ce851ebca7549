"""Objects behind targets: the one that is named, and the current request of a Certificate."""

from __future__ import annotations

from typing import Final

from issuer.inspection.kinds import CERTIFICATE, inspected_kinds
from issuer.inspection.reading import Reader
from issuer.inspection.target import InspectionTarget
from issuer.kube.errors import NotFound
from issuer.kube.wire import Object
from issuer.manifests.cluster import check_namespace
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import CERTIFICATE_ANNOTATION, REVISION_ANNOTATION
from issuer.requests.kinds import KINDS
from issuer.requests.request import Request
from issuer.requests.resources import CERTIFICATE_REQUESTS

REQUESTS: Final[dict[str, type[Request]]] = {kind.kind: kind for kind in KINDS}
"""Kinds of requests, by name."""


async def read_target(reader: Reader, target: InspectionTarget) -> Object:
    """Read the object of a target. Raises BadInput where there is none, KubeError."""
    kinds = {one.kind: one.resource for one in inspected_kinds(reader.backends.kinds)}
    try:
        return await reader.client.get(kinds[target.kind], target.name, target.namespace or None)
    except NotFound as error:
        await check_namespace(reader.client, target.namespace)
        where = " (see -n)" if target.namespace else ""
        other = f"; for a Certificate's current request write certificate/{shown(target.name)}"
        hint = other if target.kind == CertificateRequest.kind else ""
        raise BadInput(f"there is no {target.quoted}{where}{hint}") from error


async def find_request(reader: Reader, target: InspectionTarget) -> Request | None:
    """Read the request of a target, of a Certificate the current one; None for one without.

    Raises BadInput, KubeError.
    """
    found = await read_target(reader, target)
    if target.kind != CERTIFICATE:
        return REQUESTS[target.kind](found, reader.backends.kinds)
    current = await current_request(reader, found)
    return None if current is None else CertificateRequest(current, reader.backends.kinds)


async def current_request(reader: Reader, certificate: Object) -> Object | None:
    """Return the newest request of a Certificate: the highest revision, then the youngest."""
    meta = certificate["metadata"]
    best: tuple[tuple[int, str], Object] | None = None
    async for one in reader.client.list_all(CERTIFICATE_REQUESTS, namespace=meta["namespace"]):
        if not _is_of(one, meta["name"], meta.get("uid")):
            continue
        rank = revision_of(one), str(one["metadata"].get("creationTimestamp") or "")
        if best is None or rank > best[0]:
            best = rank, one
    return None if best is None else best[1]


def _is_of(request: Object, name: str, uid: object) -> bool:
    """Return True for requests of this very Certificate: one made again under its name has another uid."""
    owners = request["metadata"].get("ownerReferences") or ()
    if owners:
        return any(one.get("uid") == uid for one in owners)
    return certificate_of(request) == name


def certificate_of(request: Object) -> str:
    """Return the name of the Certificate that a request is for, or ""."""
    annotations = request["metadata"].get("annotations") or {}
    return str(annotations.get(CERTIFICATE_ANNOTATION) or "")


def revision_of(request: Object) -> int:
    """Return which issuance of its Certificate a request is, 0 where it says none."""
    text = str((request["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
