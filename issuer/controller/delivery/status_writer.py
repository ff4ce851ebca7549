"""Writes what answers a request for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from issuer.controller.delivery.approval_pace import ApprovalPaces
from issuer.kube.access import may_i
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.request import Request
from issuer.telemetry.tracing import span


@dataclass(slots=True, eq=False)
class StatusWriter:
    """Writes one status PUT per answer, paced if it approves or denies; calls `written` after each."""

    client: KubeClient
    paces: ApprovalPaces = field(default_factory=ApprovalPaces)
    written: Callable[[Request], None] = lambda _request: None

    async def write(self, request: Request, answer: Object, approver: str | None) -> Request:
        """Write the answer and return the request as it is then.

        `approver` is the kind of the issuer where the answer holds an approval or denial of ours. Raises
        KubeError.
        """
        with span("write"):
            async with self.paces.turn(approver):
                request = request.with_object(await self._put(request, answer))
        self.written(request)
        return request

    async def may_write(self, resource: Resource) -> bool:
        """Return True if RBAC allows us to write the status of these objects in all namespaces. Raises
        KubeError."""
        return await may_i(
            self.client,
            verb="update",
            group=resource.group,
            resource=resource.plural,
            subresource="status",
            name="",
        )

    async def _put(self, request: Request, answer: Object) -> Object:
        if request.status_takes_metadata:
            # certificates.k8s.io replaces metadata with what is sent, and not all of it is kept here.
            current = await self.client.get(request.resource, request.key.name, request.key.namespace or None)
            if current["metadata"]["resourceVersion"] != answer["metadata"]["resourceVersion"]:
                raise Conflict(f"{request.key} changed since it was read", status=409)
            answer = {**current, "status": answer["status"]}
        return await self.client.replace_status(request.resource, answer)
