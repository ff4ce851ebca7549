"""The issuers of a cluster as a rotation of their CA looks at them."""

from __future__ import annotations

from issuer.inspection.progress import text_of, time_of
from issuer.inspection.reading import Reader
from issuer.pki.rotation.seen import SeenCluster, SeenIssuer, VaultPlace


async def seen_issuers(reader: Reader) -> SeenCluster:
    """Return all issuers with the paths by which they sign, and what may not be read. Raises KubeError."""
    found: list[SeenIssuer] = []
    for kind in reader.backends.kinds:
        backend = reader.backends.of(kind.kind)
        for one in await reader.all(kind.resource, what=f"{kind.kind}s are") or ():
            metadata, status = one["metadata"], one.get("status") or {}
            name = "/".join(part for part in (kind.kind, metadata.get("namespace"), metadata["name"]) if part)
            spec = one.get("spec") or {}
            summary = backend.summary(spec)
            place = VaultPlace.of(summary.address, summary.namespace)
            found.append(SeenIssuer(name, summary.path, time_of(text_of(status, "caNotAfter")), place))
    return SeenCluster(tuple(found), tuple(reader.gaps))
