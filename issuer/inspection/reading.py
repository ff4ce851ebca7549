"""Reads a cluster as its user may: what is withheld is noted, and the rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from issuer.kube.client import KubeClient
from issuer.kube.errors import BadRequest, Forbidden, Invalid, NotFound
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.signing.backend import Backends
from issuer.signing.backends import built_in


class Withheld(Exception):
    """Something may not be read, or the cluster has no such kind; it is noted as a gap."""


@dataclass(slots=True)
class Reader:
    """Reads with `client`; `gaps` are the parts that it may not see, or that aren't there, in sentences.

    What is a gap raises Withheld, other errors KubeError. `backends` say which kinds of issuers there are.
    """

    client: KubeClient
    backends: Backends = field(default_factory=built_in)
    gaps: list[str] = field(default_factory=list)

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, what: str
    ) -> Object | None:
        """Return one object, None if it isn't there. `what` completes "... not shown"."""
        try:
            return await self.client.get(resource, name, namespace)
        except (NotFound, Invalid):  # what names it is somebody's text, which may be no name at all
            return None
        except Forbidden as error:
            self.lack(what, "get", resource, namespace)
            raise Withheld from error

    async def each(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        what: str,
        field_selector: str | None = None,
        label_selector: str | None = None,
    ) -> AsyncIterator[Object]:
        """Yield the objects of a list; a field selector that the server doesn't know is left out."""
        for selector in dict.fromkeys((field_selector, None)):
            listed = self.client.list_all(
                resource, namespace=namespace, field_selector=selector, label_selector=label_selector
            )
            try:
                async for obj in listed:
                    yield obj
            except BadRequest:
                if selector is None:
                    raise
                continue
            except Forbidden as error:
                self.lack(what, "list", resource, namespace)
                raise Withheld from error
            except NotFound as error:
                self.note(f"{what} not shown: the cluster has no {_plural(resource)}")
                raise Withheld from error
            return

    async def all(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        what: str,
        field_selector: str | None = None,
        label_selector: str | None = None,
    ) -> list[Object] | None:
        """Return all objects of a list; None if they may not be read."""
        listed = self.each(
            resource,
            namespace,
            what=what,
            field_selector=field_selector,
            label_selector=label_selector,
        )
        try:
            return [obj async for obj in listed]
        except Withheld:
            return None

    def lack(self, what: str, verb: str, resource: Resource, namespace: str | None) -> None:
        """Note a missing right."""
        where = f" in the namespace {namespace}" if namespace else " in the whole cluster"
        self.note(f"{what} not shown: that takes {verb} of {_plural(resource)}{where}")

    def note(self, gap: str) -> None:
        """Note once what is not shown."""
        if gap not in self.gaps:
            self.gaps.append(gap)


def _plural(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural
