"""Reads what uses certificates in a cluster: requests, the Certificates that they are for, Secrets if asked.

Requests hold each certificate that was issued, without its key; Secrets hold keys, too, so they are read only
where somebody says so.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

from issuer.inspection.lookup import revision_of
from issuer.inspection.reading import Reader, Withheld
from issuer.inventory.certificate import read_pem
from issuer.inventory.gaps import Gap, GapKind
from issuer.inventory.uses import Use, UseKind, UsesFound
from issuer.kube.resources import SECRETS, Resource
from issuer.kube.wire import Object
from issuer.requests.finalizer import CERTIFICATE_ANNOTATION
from issuer.requests.resources import CERTIFICATE_REQUESTS, CERTIFICATE_SIGNING_REQUESTS, CERTIFICATES
from issuer.text import counted

_MAX_PEM: Final = 1 << 20
_TLS: Final = "type=kubernetes.io/tls"

Revisions = Mapping[tuple[str, str], int | None]
"""The revision that each Certificate has now, by namespace and name."""


async def read_cluster(reader: Reader, uses: UsesFound, *, secrets: bool) -> list[Gap]:
    """Add all certificates that are in use in the cluster, and return what was withheld. Raises KubeError."""
    revisions = await _revisions(reader)
    unread = 0
    async for request in _each(reader, CERTIFICATE_REQUESTS, "certificates of CertificateRequests are"):
        pem = (request.get("status") or {}).get("certificate")
        unread += not _add(uses, pem, _use_of(request, revisions))
    async for request in _each(reader, CERTIFICATE_SIGNING_REQUESTS, "those of Kubernetes' own requests are"):
        pem = (request.get("status") or {}).get("certificate")
        unread += not _add(uses, pem, Use(UseKind.SIGNING_REQUEST, str(request["metadata"]["name"])))
    if secrets:
        async for secret in _each(reader, SECRETS, "certificates of Secrets are", _TLS):
            pem = (secret.get("data") or {}).get("tls.crt")
            unread += not _add(uses, pem, Use(UseKind.SECRET, _where(secret)))
    return list(_gaps(reader, unread, secrets=secrets))


async def _revisions(reader: Reader) -> Revisions:
    found: dict[tuple[str, str], int | None] = {}
    async for one in _each(reader, CERTIFICATES, "which request of a Certificate is the newest is"):
        meta, revision = one["metadata"], (one.get("status") or {}).get("revision")
        key = (str(meta.get("namespace")), str(meta["name"]))
        found[key] = revision if isinstance(revision, int) else None
    return found


async def _each(
    reader: Reader, resource: Resource, what: str, selector: str | None = None
) -> AsyncIterator[Object]:
    try:
        async for one in reader.each(resource, what=what, field_selector=selector):
            yield one
    except Withheld:
        return


def _use_of(request: Object, revisions: Revisions) -> Use:
    """Return what a request's certificate is used by: its Certificate, or the request where there is none."""
    meta = request["metadata"]
    annotations = meta.get("annotations") or {}
    name = str(annotations.get(CERTIFICATE_ANNOTATION) or "")
    namespace = str(meta.get("namespace"))
    if not name or (namespace, name) not in revisions:
        return Use(UseKind.REQUEST, _where(request))
    current = revisions[namespace, name]
    is_replaced = current is not None and 0 < revision_of(request) < current
    return Use(UseKind.CERTIFICATE, f"{namespace}/{name}", not is_replaced)


def _where(obj: Object) -> str:
    meta = obj["metadata"]
    return f"{meta.get('namespace')}/{meta['name']}"


def _add(uses: UsesFound, encoded: object, use: Use) -> bool:
    """Add a certificate in base64 of PEM, if there is one; False if it can't be read."""
    if not isinstance(encoded, str) or not encoded:
        return True
    if len(encoded) > _MAX_PEM:
        return False
    try:
        uses.add(read_pem(base64.b64decode(encoded)), use)
    except ValueError:
        return False
    return True


def _gaps(reader: Reader, unread: int, *, secrets: bool) -> Iterator[Gap]:
    where = reader.client.server
    yield from (Gap(GapKind.CLUSTER, where, gap) for gap in reader.gaps)
    if unread:
        yield Gap(
            GapKind.NOT_READABLE, where, f"{counted(unread, 'certificate')} in the cluster can't be read"
        )
    if not secrets:
        text = "Secrets were not read (--secrets does): a certificate without a request isn't seen there"
        yield Gap(GapKind.SECRETS, where, text)
    yield Gap(GapKind.CLUSTER, where, "other clusters and other users of this CA were not asked")
