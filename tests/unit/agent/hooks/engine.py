"""A stand-in for Podman's and Docker's API socket, which refuses every call that it wasn't told of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web


@dataclass
class Engine:
    """Containers by name with their labels, and what was asked of them."""

    containers: dict[str, dict[str, str]]
    exit_code: int = 0
    gone: bool = False
    said: list[str] = field(default_factory=list)
    version: str = "1.41"
    tells_version: bool = True

    def answers(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/_ping", self._ping)
        made.router.add_get(f"/v{self.version}/containers/json", self._list)
        made.router.add_post(f"/v{self.version}/containers/{{name}}/exec", self._exec)
        made.router.add_post(f"/v{self.version}/exec/{{name}}/start", self._start)
        made.router.add_get(f"/v{self.version}/exec/{{name}}/json", self._ended)
        made.router.add_post(f"/v{self.version}/containers/{{name}}/kill", self._kill)
        return made

    async def _ping(self, _: web.Request) -> web.Response:
        headers = {"Api-Version": self.version} if self.tells_version else {}
        return web.Response(text="OK", headers=headers)

    async def _list(self, request: web.Request) -> web.Response:
        assert "tls=true" in json.loads(request.query["filters"])["label"]
        # All of them: the filter isn't relied on.
        rows = [{"Id": name, "Names": [f"/{name}"], "Labels": of} for name, of in self.containers.items()]
        return web.json_response(rows)

    async def _exec(self, request: web.Request) -> web.Response:
        if self.gone:
            return web.json_response({"message": "no such container"}, status=404)
        self.said.append(f"{request.match_info['name']}: {' '.join((await request.json())['Cmd'])}")
        return web.json_response({"Id": request.match_info["name"]}, status=201)

    async def _start(self, _: web.Request) -> web.Response:
        return web.Response(body=b"\x02\0\0\0\0\0\0\x04oops")

    async def _ended(self, _: web.Request) -> web.Response:
        return web.json_response({"Running": False, "ExitCode": self.exit_code})

    async def _kill(self, request: web.Request) -> web.Response:
        self.said.append(f"{request.match_info['name']}: {request.query['signal']}")
        return web.Response(status=204)


@asynccontextmanager
async def listening(engine: Engine, folder: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(engine.answers())
    await runner.setup()
    await web.UnixSite(runner, str(folder / "engine.sock")).start()
    try:
        yield str(folder / "engine.sock")
    finally:
        await runner.cleanup()
