"""One HTTP client for the API server: aiohttp and orjson, plain dicts in and out.

All calls raise `KubeError` (see `issuer.kube.errors`), are bounded in time and size, and load the credentials
once more when the server says 401. Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import orjson

from issuer.kube.auth.credentials import AccessSource
from issuer.kube.errors import (
    AnswerTooLarge,
    Forbidden,
    KubeError,
    NotFound,
    Unauthorized,
    from_status,
)
from issuer.kube.resources import SELF_SUBJECT_REVIEWS, SERVICE_ACCOUNTS, Resource
from issuer.kube.session import JSON, ApiSession, what
from issuer.kube.wire import Object, lines, read_body, read_event
from issuer.late_roots import aiohttp

MAX_OBJECT: Final = 16 << 20
"""Bytes of one object's answer. etcd takes 1.5 MiB by default; the rest is room for other settings."""

MAX_PAGE: Final = 16 << 20
"""Bytes of a page of a list: ten of the largest objects. When it is passed, a reflector asks for less."""

MAX_WHOLE: Final = 64 << 20
"""Bytes of a list in one piece."""

MAX_LINE: Final = MAX_OBJECT
"""Bytes of one event on a watch. One that is larger is skipped."""

TOO_LARGE: Final = "TOO_LARGE"
"""The type that `watch` gives an event that it has skipped; its object is empty."""

INITIAL_END: Final = "k8s.io/initial-events-end"
"""The annotation of the bookmark behind the last of the initial events."""

_SELF_SUBJECT_REVIEW: Final[Object] = {
    "apiVersion": SELF_SUBJECT_REVIEWS.api_version,
    "kind": "SelfSubjectReview",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. `continue_token` is empty on the last; a watch may start at `resource_version`."""

    items: Sequence[Object] = field(repr=False)
    resource_version: str
    continue_token: str = ""
    size: int = 0
    """Bytes of the whole answer."""


@dataclass(frozen=True, slots=True)
class ServiceAccountToken:
    """A token of the TokenRequest API. `expires` is RFC 3339, as the server wrote it."""

    value: str = field(repr=False)
    expires: str


class KubeClient:
    """Talks to one API server over one pool of connections. Made by `open`; close it."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session

    @classmethod
    async def open(
        cls,
        source: AccessSource,
        *,
        timeout: float = 30.0,
        connections: int = 64,
        user_agent: str,
    ) -> KubeClient:
        """Load the credentials and make the pool; send nothing. `timeout`: a call's seconds."""
        access = await source.load()
        return cls(
            ApiSession(source, access, timeout=timeout, connections=connections, user_agent=user_agent)
        )

    @property
    def server(self) -> str:
        """The API server's base URL."""
        return self._session.server

    async def close(self) -> None:
        """Close all connections; running watches end with Unavailable."""
        await self._session.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """Return one object. Raises NotFound, Forbidden, ..."""
        return await self._call("GET", resource.path(namespace, name))

    async def get_path(self, path: str) -> Object:
        """Return any JSON document of the server, such as `/version`."""
        return await self._call("GET", path)

    async def list_page(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        limit: int = 500,
        continue_token: str = "",
        field_selector: str | None = None,
        label_selector: str | None = None,
    ) -> Page:
        """Return a page of at most `limit` objects (0: all), consistent while its token is good.

        Raises Expired if `continue_token` is too old, BadRequest if the server can't do the field selector.
        """
        query = _query(fieldSelector=field_selector, labelSelector=label_selector, limit=str(limit or ""))
        if continue_token:
            query["continue"] = continue_token
        url, bound = _url(resource.path(namespace), query), MAX_PAGE if limit else MAX_WHOLE
        answer, size = await self._sized_call("GET", url, bound=bound)
        metadata = answer.get("metadata") or {}
        items = answer.get("items") or []
        return Page(items, str(metadata.get("resourceVersion", "")), metadata.get("continue") or "", size)

    async def list_all(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
    ) -> AsyncIterator[Object]:
        """Yield all objects of a list, read page by page; only one page is held at a time.

        Raises as `list_page` does: at once if the list can't be read, and Expired between two pages.
        """
        token = ""
        while True:
            page = await self.list_page(
                resource,
                namespace=namespace,
                continue_token=token,
                field_selector=field_selector,
                label_selector=label_selector,
            )
            for obj in page.items:
                yield obj
            token = page.continue_token
            if not token:
                return

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        """Create `body`, in `namespace` or its own. Raises AlreadyExists, Invalid, ..."""
        namespace = namespace or body.get("metadata", {}).get("namespace")
        return await self._call("POST", resource.path(namespace), body)

    async def replace(self, resource: Resource, body: Object) -> Object:
        """PUT the whole object; with its resourceVersion a lost update is refused with Conflict."""
        return await self._call("PUT", _own_path(resource, body), body)

    async def replace_status(self, resource: Resource, body: Object) -> Object:
        """PUT `body`'s status through the status subresource; its spec is ignored by the server."""
        return await self._call("PUT", _own_path(resource, body, "status"), body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str | None = None,
        *,
        manager: str,
        dry_run: bool = False,
    ) -> Object:
        """Apply a JSON merge patch; a resourceVersion in it guards against lost updates (Conflict)."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"} | _dry(dry_run)
        url = _url(resource.path(namespace, name), query)
        return await self._call("PATCH", url, body, content_type="application/merge-patch+json")

    async def apply(
        self, resource: Resource, body: Object, *, manager: str, dry_run: bool = False, force: bool = False
    ) -> Object:
        """Apply the whole object on the server; fields that another manager set otherwise raise Conflict.

        `force` takes such fields over instead.
        """
        query = {"fieldManager": manager, "fieldValidation": "Strict"} | _dry(dry_run)
        if force:
            query["force"] = "true"
        url = _url(_own_path(resource, body), query)
        return await self._call("PATCH", url, body, content_type="application/apply-patch+yaml")

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        version: str | None = None,
    ) -> None:
        """Delete one object.

        With `uid` only if it is still that one, with `version` only if it is unchanged; else raises Conflict.
        """
        wanted = _query(uid=uid, resourceVersion=version)
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": wanted} if wanted else None
        await self._call("DELETE", resource.path(namespace, name), body)

    async def request_token(
        self, namespace: str, service_account: str, audiences: Sequence[str], seconds: int = 600
    ) -> ServiceAccountToken:
        """Return a token for a ServiceAccount (TokenRequest), for 600 seconds or more."""
        body: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": list(audiences), "expirationSeconds": seconds},
        }
        answer = await self._call("POST", SERVICE_ACCOUNTS.path(namespace, service_account, "token"), body)
        status = answer.get("status") or {}
        if not isinstance(status.get("token"), str) or not status["token"]:
            raise KubeError(f"TokenRequest for {namespace}/{service_account} answered without a token")
        return ServiceAccountToken(status["token"], str(status.get("expirationTimestamp", "")))

    async def takes_token(self, token: str) -> bool:
        """Return True if the API server accepts `token`, and would let its bearer in.

        The token is the only credential that is sent. Raises KubeError if the server doesn't say.
        Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
        """
        body = orjson.dumps(_SELF_SUBJECT_REVIEW)
        error = await self._session.refusal_of(token, "POST", SELF_SUBJECT_REVIEWS.path(), body)
        if error is None or isinstance(error, (Forbidden, NotFound)):
            return True  # who is asked about a right, or about a path, is known already
        if isinstance(error, Unauthorized):
            return False
        raise error

    async def watch(
        self,
        resource: Resource,
        *,
        resource_version: str | None,
        namespace: str | None = None,
        field_selector: str | None = None,
        label_selector: str | None = None,
        timeout_seconds: int = 300,
        read_timeout: float = 90.0,
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Yield events after `resource_version` as (type, object), bookmarks too, until the watch ends.

        None begins with an ADDED event for each object there is, up to a bookmark with the annotation
        `INITIAL_END` (a streaming list; Kubernetes 1.34, or the feature gate WatchList). A server that
        can't do that raises Invalid.

        `timeout_seconds` is how long the server is asked to keep the watch. Silence of `read_timeout` seconds
        raises Unavailable: the server sends a bookmark about once a minute, so the connection is dead. An
        ERROR event raises its `KubeError` (Expired for 410). Close it (`contextlib.aclosing`) if left early.
        """
        query = _query(fieldSelector=field_selector, labelSelector=label_selector)
        query |= {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds),
        }
        if resource_version is None:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        else:
            query["resourceVersion"] = resource_version
        path = resource.path(namespace)
        limits = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=read_timeout)
        name = f"WATCH {path}"
        async with self._session.response("GET", _url(path, query), None, limits) as response:
            async for line in lines(response.content, MAX_LINE):
                if line is None:
                    yield TOO_LARGE, {}
                    continue
                kind, value = read_event(line, name)
                if kind == "ERROR":
                    code = value.get("code")
                    raise from_status(code if isinstance(code, int) else 500, value, what=name)
                yield kind, value

    async def _call(
        self,
        method: str,
        url: str,
        body: Object | None = None,
        *,
        bound: int = MAX_OBJECT,
        content_type: str = JSON,
    ) -> Object:
        answer, _ = await self._sized_call(method, url, body, bound=bound, content_type=content_type)
        return answer

    async def _sized_call(
        self,
        method: str,
        url: str,
        body: Object | None = None,
        *,
        bound: int,
        content_type: str = JSON,
    ) -> tuple[Object, int]:
        """Return the answer and its size in bytes."""
        data = orjson.dumps(body) if body is not None else None
        async with self._session.response(method, url, data, self._session.timeout, content_type) as response:
            content = await read_body(response, bound)
        name = what(method, url)
        if content is None:
            raise AnswerTooLarge(f"{name}: the answer is larger than {bound} bytes")
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise KubeError(f"{name}: the answer is not JSON; is this a Kubernetes API server?") from error
        if not isinstance(answer, dict):
            raise KubeError(f"{name}: the answer is not an object")
        return answer, len(content)


def _own_path(resource: Resource, body: Object, subresource: str | None = None) -> str:
    metadata = body.get("metadata") or {}
    return resource.path(metadata.get("namespace"), metadata.get("name") or "", subresource)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _query(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _url(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
