"""A fake API server on loopback: it holds objects and grants every right."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web

from issuer.kube.auth.credentials import Access, Fixed
from issuer.kube.client import KubeClient
from issuer.kube.resources import SECRETS, Resource
from issuer.kube.wire import Object

NAMESPACE: Final = "team-a"
"""Namespace of requests and of namespaced issuers."""

CLUSTER_NAMESPACE: Final = "issuer-system"
"""Namespace of the Secrets of cluster issuers."""

_TIMEOUT: Final = 30.0  # seconds: a guard against a hanging test


@dataclass
class FakeKubernetes:
    """Holds objects by the path of their URL.

    Attributes:
        down: True while every call is answered with 503.
        conflicts: how many writes of a status are refused with 409 from now on.
        statuses: each status as it was written, by the object's path, oldest first.
    """

    url: str = ""
    down: bool = False
    conflicts: int = 0
    statuses: list[tuple[str, Object]] = field(default_factory=list)
    _objects: dict[str, Object] = field(default_factory=dict)
    _version: int = 0

    def put(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        """Create or replace an object; return it as the server has it."""
        metadata = obj["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        self._version += 1
        before = self._objects.get(path, {})
        generation = before["metadata"]["generation"] if before else 1
        meta = {
            "uid": f"uid-of-{path}",
            "generation": generation + (bool(before) and before.get("spec") != obj.get("spec")),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **metadata,
            "resourceVersion": str(self._version),
        }
        self._objects[path] = {**obj, "metadata": meta}
        return self._objects[path]

    def put_secret(self, name: str, data: Mapping[str, bytes], type: str = "Opaque") -> None:  # noqa: A002
        """Put a Secret where namespaced issuers look for it, and where cluster issuers do."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        for namespace in (NAMESPACE, CLUSTER_NAMESPACE):
            meta = {"name": name, "namespace": namespace}
            self.put(SECRETS, {"metadata": meta, "type": type, "data": encoded})

    def secret(self, name: str, namespace: str) -> Object:
        """Return a Secret."""
        return self._objects[SECRETS.path(namespace, name)]

    def touch_secret(self, name: str, namespace: str) -> None:
        """Write a Secret anew as it is: only its resourceVersion changes."""
        self.put(SECRETS, self.secret(name, namespace))

    def delete_secret(self, name: str, namespace: str) -> None:
        """Delete a Secret."""
        del self._objects[SECRETS.path(namespace, name)]

    def secret_values(self) -> frozenset[str]:
        """Return each text in a Secret that must be shown nowhere: all but certificates."""
        values = (
            base64.b64decode(value).decode("utf-8", "replace").strip()
            for path, obj in self._objects.items()
            if "/secrets/" in path
            for value in (obj.get("data") or {}).values()
        )
        return frozenset(value for value in values if value and "BEGIN CERTIFICATE" not in value)

    def written(self, resource: Resource, name: str, namespace: str | None = None) -> list[Object]:
        """Return each status of an object that was written, oldest first."""
        path = resource.path(namespace, name)
        return [status for written, status in self.statuses if written == path]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call."""
        content = await request.read()
        if self.down:
            return _failure(503, "ServiceUnavailable")
        body = orjson.loads(content) if content else {}
        match request.method:
            case "GET":
                return self._get(request.path)
            case "PUT":
                return self._replace(request.path, body)
            case "POST":
                return _created(request.path, body)
        return web.json_response(body)

    def _get(self, path: str) -> web.StreamResponse:
        found = self._objects.get(path)
        return _failure(404, "NotFound") if found is None else web.json_response(found)

    def _replace(self, path: str, body: Object) -> web.StreamResponse:
        path, is_status = path.removesuffix("/status"), path.endswith("/status")
        found = self._objects.get(path)
        if found is None:
            return _failure(404, "NotFound")
        if is_status and self.conflicts:
            self.conflicts -= 1
            return _failure(409, "Conflict")
        self._version += 1
        meta = {**found["metadata"], "resourceVersion": str(self._version)}
        if is_status:
            self.statuses.append((path, body["status"]))
            body = {**found, "status": body["status"]}
        self._objects[path] = {**body, "metadata": meta}
        return web.json_response(self._objects[path])


def _created(path: str, body: Object) -> web.StreamResponse:
    """Grant what is asked; of a token the API server says that it does not take it itself."""
    if path.endswith("/selfsubjectreviews"):
        return _failure(401, "Unauthorized")
    if path.endswith("reviews"):
        return web.json_response({**body, "status": {"allowed": True}}, status=201)
    if path.endswith("/token"):
        return web.json_response({**body, "status": {"token": "a-token-of-a-service-account"}}, status=201)
    return web.json_response(body, status=201)


def _failure(code: int, reason: str) -> web.StreamResponse:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**status, "message": "refused by the fake API server"}, status=code)


@asynccontextmanager
async def fake_kubernetes() -> AsyncIterator[FakeKubernetes]:
    """Run an API server on a free port of loopback."""
    fake = FakeKubernetes()
    runner = web.ServerRunner(web.Server(fake.handle, access_log=None), shutdown_timeout=0.01)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(fake: FakeKubernetes) -> AsyncIterator[KubeClient]:
    """Open a client of that server, and close it."""
    access = Access(server=fake.url, authorization="Bearer token-of-the-controller", tls=None)
    client = await KubeClient.open(Fixed(access), timeout=_TIMEOUT, user_agent="contract")
    try:
        yield client
    finally:
        await client.close()
