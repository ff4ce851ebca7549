"""A program or a signal in containers, by the socket of Podman or Docker.

The version of the API is the engine's own: Docker 29 takes none before 1.44, older ones none after theirs.
Source: https://docs.docker.com/reference/api/engine/ (Podman has the same paths).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from issuer.agent.config.consumers import ContainerHook
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, HookUnsafe, NotRunning
from issuer.agent.hooks.users import HookUser, need_trusted
from issuer.late_roots import aiohttp
from issuer.text import one_line, parse_json

LABEL: Final = "tls=true"
OWNER_LABEL: Final = "owner"
_BASE: Final = "http://containers"
_VERSION: Final = re.compile(r"\d{1,3}\.\d{1,3}")
_USUAL_VERSION: Final = "1.40"
"""The version that is spoken to an engine which tells none."""
_MOST: Final = 8 << 20
"""Bytes of the longest answer that is read: a list of some thousand containers."""
_OUTPUT: Final = 1 << 20


async def tell_containers(hook: ContainerHook, user: HookUser, seconds: float) -> None:
    """Run the program, or send the signal, in each running container that is named.

    Raises NotRunning if there is none, ConsumerRefused if a program fails, HookUnsafe, HookFailed.
    """
    async with _found(hook, user, seconds) as (engine, found):
        for identifier, name in found.items():
            if hook.exec is not None:
                await engine.run(identifier, name, list(hook.exec))
            else:
                await engine.kill(identifier, name, str(hook.signal))


async def check_containers(hook: ContainerHook, user: HookUser, seconds: float) -> None:
    """Prove that the engine answers and that a container runs which is named; tells none.

    Raises as `tell_containers` does.
    """
    async with _found(hook, user, seconds):
        return


@asynccontextmanager
async def _found(
    hook: ContainerHook, user: HookUser, seconds: float
) -> AsyncIterator[tuple[_Engine, dict[str, str]]]:
    """Give the engine and the names of the containers meant, by ID; translate its failures."""
    _check_socket(hook, user)
    try:
        async with asyncio.timeout(seconds), _connected(hook) as engine:
            found = await engine.running(hook)
            if not found:
                raise NotRunning(f"No container with {_described(hook)} runs: start it, or give it the label")
            yield engine, found
    except TimeoutError as error:
        raise ConsumerRefused(f'Containers by "{hook.socket}": not ended in {seconds:g} s') from error
    except aiohttp.ClientConnectorError as error:
        raise NotRunning(
            f'"{hook.socket}" can\'t be connected to ({error.strerror}): start the service (systemctl --user '
            "start podman.socket), or let this user open it"
        ) from error
    except aiohttp.ClientError as error:
        raise HookFailed(f'"{hook.socket}": {one_line(str(error), 300)}') from error


def _check_socket(hook: ContainerHook, user: HookUser) -> None:
    """Refuse a socket of another user: whoever listens there would say that all went well."""
    try:
        found = hook.socket.stat()
    except FileNotFoundError as error:
        raise NotRunning(f'There is no socket "{hook.socket}": start the service that makes it') from error
    except OSError as error:
        raise HookFailed(f'"{hook.socket}": {error.strerror}') from error
    if found.st_uid not in (0, user.uid):
        raise HookUnsafe(f'"{hook.socket}" belongs to user {found.st_uid}, not to root or {user.name}')
    if user.is_own:
        need_trusted(hook.socket.parent, "folder of the socket")


def _described(hook: ContainerHook) -> str:
    owner = f" and {OWNER_LABEL}={hook.owner}" if hook.owner is not None else ""
    names = f" and the name {' or '.join(hook.names)}" if hook.names else ""
    return f"the label {LABEL}{owner}{names}"


@asynccontextmanager
async def _connected(hook: ContainerHook) -> AsyncIterator[_Engine]:
    connector = aiohttp.UnixConnector(path=str(hook.socket))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout()) as session:
        yield _Engine(session, await _version(session))


async def _version(session: aiohttp.ClientSession) -> str:
    """Return the newest version of the API that the engine speaks, as its header `Api-Version` tells."""
    async with session.get(f"{_BASE}/_ping") as answer:
        told = answer.headers.get("Api-Version", "")
    return told if _VERSION.fullmatch(told) else _USUAL_VERSION


class _Engine:
    """The few calls of the engine's API that are made."""

    def __init__(self, session: aiohttp.ClientSession, version: str) -> None:
        self._session = session
        self._base = f"{_BASE}/v{version}"

    async def running(self, hook: ContainerHook) -> dict[str, str]:
        """Return the names of the running containers that the hook means, by ID."""
        labels = [LABEL, *([f"{OWNER_LABEL}={hook.owner}"] if hook.owner is not None else [])]
        filters = json.dumps({"label": labels, "status": ["running"]})
        listed = await self._json("GET", "/containers/json", params={"filters": filters})
        found = {}
        for one in listed if isinstance(listed, list) else ():
            names = [str(name).removeprefix("/") for name in one.get("Names") or ()]
            # The server's filters are not relied on: one that ignores them would have all containers told.
            if _fits(one.get("Labels") or {}, hook) and (not hook.names or set(names) & set(hook.names)):
                found[str(one["Id"])] = names[0] if names else str(one["Id"])[:12]
        return found

    async def run(self, identifier: str, name: str, words: list[str]) -> None:
        """Run a program in a container to its end."""
        asked = {"Cmd": words, "AttachStdout": True, "AttachStderr": True, "Tty": False}
        made = await self._json("POST", f"/containers/{identifier}/exec", body=asked, gone=name)
        path = f"/exec/{made['Id']}"
        started = {"Detach": False, "Tty": False}
        output = await self._bytes("POST", f"{path}/start", body=started, gone=name, most=_OUTPUT)
        ended = await self._json("GET", f"{path}/json")
        if ended.get("Running"):
            raise ConsumerRefused(f'"{words[0]}" in container "{name}" prints too much; it is still running')
        if ended.get("ExitCode") != 0:
            text = one_line(output.decode("utf-8", "replace")[-1000:], 400) or "nothing printed"
            raise ConsumerRefused(
                f'"{words[0]}" in container "{name}" ended with {ended.get("ExitCode")}: {text}'
            )

    async def kill(self, identifier: str, name: str, number: str) -> None:
        """Send a signal to the first process of a container."""
        await self._bytes(
            "POST", f"/containers/{identifier}/kill", params={"signal": f"SIG{number}"}, gone=name
        )

    async def _json(self, method: str, path: str, **fields: Any) -> Any:
        try:
            return parse_json(await self._bytes(method, path, **fields))
        except ValueError as error:
            raise HookFailed(f"What answers {path} is no container engine: it sends no JSON") from error

    async def _bytes(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        gone: str = "",
        most: int = _MOST,
    ) -> bytes:
        async with self._session.request(method, f"{self._base}{path}", params=params, json=body) as answer:
            data = b""
            while len(data) < most and (more := await answer.content.read(65536)):
                data += more
            if answer.status in (404, 409) and gone:
                raise NotRunning(f'Container "{gone}" has gone away, or stopped')
            if answer.status >= 400:
                said = one_line(data.decode("utf-8", "replace"), 300)
                raise HookFailed(f"The container engine answers {answer.status} to {method} {path}: {said}")
            return data


def _fits(labels: Mapping[str, str], hook: ContainerHook) -> bool:
    return labels.get("tls") == "true" and (hook.owner is None or labels.get(OWNER_LABEL) == hook.owner)
