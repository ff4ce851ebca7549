"""The benchmark's own client of the API server: many calls at once, and a watch seen from outside."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson

Object = dict[str, Any]
JSON = "application/json"
MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused a call of the benchmark."""


class Api:
    """One user's calls to one API server; use it as an asynchronous context manager."""

    def __init__(self, server: str, ca_file: Path, token: str) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._headers = {"Authorization": f"Bearer {token}", "Accept": JSON}

    async def __aenter__(self) -> Api:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=64)
        self._session = aiohttp.ClientSession(
            self._server,
            connector=connector,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=120),
            read_bufsize=1 << 20,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None, content: str = JSON) -> Object:
        """One call with a JSON body; the decoded answer."""
        data = None if body is None else orjson.dumps(body)
        headers = {"Content-Type": content}
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            text = await answer.read()
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status} {text[:500].decode(errors='replace')}")
        decoded: Object = orjson.loads(text) if text else {}
        return decoded

    async def each(
        self, method: str, calls: Sequence[tuple[str, Object]], content: str = JSON, *, at_once: int = 16
    ) -> None:
        """Many calls (path and body), some at once; raises the first ApiError."""
        waiting = iter(calls)

        async def work() -> None:
            for path, body in waiting:
                await self.call(method, path, body, content)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(calls))):
                group.create_task(work())

    async def list(self, path: str, **query: str) -> tuple[list[Object], str]:
        """All objects of a collection, and the resourceVersion at which they were read."""
        found: list[Object] = []
        token = ""
        while True:
            asked = {"limit": "500", **query, **({"continue": token} if token else {})}
            page = await self.call("GET", f"{path}?{urlencode(asked)}")
            found += page["items"]
            token = page["metadata"].get("continue") or ""
            if not token:
                return found, str(page["metadata"]["resourceVersion"])

    async def watch(self, path: str, version: str, ready: Callable[[], None]) -> AsyncIterator[Object]:
        """Watch events (`type`, `object`) after a version; `ready` is called once it is open."""
        query = urlencode({"watch": "1", "resourceVersion": version, "timeoutSeconds": "3600"})
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(f"{path}?{query}", timeout=timeout) as answer:
            if answer.status >= 400:
                raise ApiError(f"watching {path}: {answer.status} {(await answer.text())[:500]}")
            ready()
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield orjson.loads(line)
