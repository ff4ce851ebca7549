"""Opens a cluster for reading, with the kinds of issuers that its controller serves.

Kinds of other controllers are among them where it has adopted them. Nothing says so but what it did: it wrote
the status of an issuer of theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from issuer.cluster import NAME
from issuer.inspection.reading import Reader
from issuer.kube.errors import Forbidden, NotFound
from issuer.manifests.backends import named_backends
from issuer.manifests.cluster import asking_cluster, open_client
from issuer.requests.issuers import IssuerKind
from issuer.signing.backend import Backend, Backends
from issuer.signing.backends import adoptable

_MOST: Final = 100
"""Number of issuers of a kind that are looked at."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Scope of a command: the kind of its target, "" for none, and a namespace, "" for all."""

    kind: str = ""
    namespace: str = ""


_ALL: Final = LookedAt()


@asynccontextmanager
async def reading(
    kubeconfig: str | None, context: str | None, backends: Iterable[str] = (), about: LookedAt = _ALL
) -> AsyncIterator[Reader]:
    """Open a reader as the user of the kubeconfig, with the built-in backends and those of these names.

    Kinds of other controllers are among them where they are adopted, or looked at. Raises BadInput for a
    backend that can't be loaded, and for what the cluster refuses or can't answer.
    """
    loaded = named_backends(backends)
    async with open_client(kubeconfig, context) as client:
        with asking_cluster():
            reader = Reader(client, loaded)
            await add_adopted(reader, about)
            yield reader


async def add_adopted(reader: Reader, about: LookedAt) -> None:
    """Give a reader the backends whose kinds are adopted, or looked at. Raises KubeError."""
    there = {backend.name for backend in reader.backends}
    for backend in adoptable():
        if backend.name in there:
            continue
        kinds = {one.kind for one in backend.kinds}
        if about.kind in kinds or await _is_adopted(reader, backend, about.namespace):
            reader.backends = Backends([*reader.backends, backend])


async def _is_adopted(reader: Reader, backend: Backend, namespace: str) -> bool:
    return any([await _is_served(reader, kind, namespace) for kind in backend.kinds])


async def _is_served(reader: Reader, kind: IssuerKind, namespace: str) -> bool:
    """Return True if the controller wrote the status of an issuer of that kind."""
    where = (namespace or None) if kind.namespaced else None
    resource = kind.resource
    try:
        # Any user may ask this. A list is refused to many, of what isn't there as well.
        await reader.client.get_path(f"/apis/{resource.group}/{resource.version}")
    except (NotFound, Forbidden):
        return False
    try:
        page = await reader.client.list_page(resource, namespace=where, limit=_MOST)
    except NotFound:
        return False
    except Forbidden:
        reader.lack(f"{kind.kind}s, should the controller serve them, are", "list", resource, where)
        return False
    return any(_is_ours(one) for one in page.items)


def _is_ours(issuer: Mapping[str, Any]) -> bool:
    entries = issuer["metadata"].get("managedFields") or ()
    return any(one.get("manager") == NAME and one.get("subresource") == "status" for one in entries)
