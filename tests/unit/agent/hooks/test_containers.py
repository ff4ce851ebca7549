"""Containers by an engine's socket: only those that are named, and one that went away is told.

Real Podman: tests/agent/whole_soak.py.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from issuer.agent.config.consumers import ContainerHook
from issuer.agent.hooks.containers import tell_containers
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed, NotRunning
from issuer.agent.hooks.users import HookUser, hook_user
from tests.unit.agent.hooks.engine import Engine, listening


@pytest.fixture
def user() -> HookUser:
    return hook_user(getpass.getuser())


def hook(socket: str, **fields: Any) -> ContainerHook:
    return ContainerHook.model_validate({"socket": socket, **fields})


CONTAINERS = {
    "mine": {"tls": "true", "owner": "proxy"},
    "theirs": {"tls": "true", "owner": "other"},
    "no-tls": {"owner": "proxy"},
}


async def test_only_named_containers_are_told(tmp_path: Path, user: HookUser) -> None:
    engine = Engine(CONTAINERS)
    async with listening(engine, tmp_path) as socket:
        await tell_containers(hook(socket, owner="proxy", exec=["nginx", "-s", "reload"]), user, 20)
        await tell_containers(hook(socket, names=["theirs", "no-tls"], signal="HUP"), user, 20)
    assert engine.said == ["mine: nginx -s reload", "theirs: SIGHUP"]


@pytest.mark.parametrize("version", ["1.39", "1.41", "1.52"])
async def test_version_of_the_engine_is_spoken(tmp_path: Path, user: HookUser, version: str) -> None:
    """Docker 29 refuses versions before 1.44, and an older one those after its own."""
    engine = Engine(CONTAINERS, version=version)
    async with listening(engine, tmp_path) as socket:
        await tell_containers(hook(socket, owner="proxy", signal="HUP"), user, 20)
    assert engine.said == ["mine: SIGHUP"]


async def test_engine_that_tells_no_version_is_spoken_to(tmp_path: Path, user: HookUser) -> None:
    engine = Engine(CONTAINERS, version="1.40", tells_version=False)
    async with listening(engine, tmp_path) as socket:
        await tell_containers(hook(socket, owner="proxy", signal="HUP"), user, 20)
    assert engine.said == ["mine: SIGHUP"]


async def test_failed_program_is_told_with_its_words(tmp_path: Path, user: HookUser) -> None:
    async with listening(Engine(CONTAINERS, exit_code=3), tmp_path) as socket:
        with pytest.raises(ConsumerRefused, match=r'"nginx" in container "mine" ended with 3: .*oops'):
            await tell_containers(hook(socket, owner="proxy", exec=["nginx"]), user, 20)


async def test_container_that_went_away_is_told(tmp_path: Path, user: HookUser) -> None:
    async with listening(Engine(CONTAINERS, gone=True), tmp_path) as socket:
        with pytest.raises(NotRunning, match='Container "mine" has gone away'):
            await tell_containers(hook(socket, owner="proxy", exec=["nginx"]), user, 20)
        with pytest.raises(NotRunning, match="No container with the label tls=true and owner=nobody runs"):
            await tell_containers(hook(socket, owner="nobody", exec=["nginx"]), user, 20)


async def test_engine_that_is_none_is_told(tmp_path: Path, user: HookUser) -> None:
    with pytest.raises(NotRunning, match="There is no socket"):
        await tell_containers(hook(str(tmp_path / "none.sock"), owner="a", signal="HUP"), user, 20)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotRunning, match="can't be connected to"):
        await tell_containers(hook(str(tmp_path / "file"), owner="a", signal="HUP"), user, 20)


async def test_refusal_of_the_engine_is_told(tmp_path: Path, user: HookUser) -> None:
    class Broken(Engine):
        async def _list(self, _: web.Request) -> web.Response:
            return web.Response(status=500, text="storage is\nlocked")

    async with listening(Broken({}), tmp_path) as socket:
        with pytest.raises(HookFailed, match="answers 500 to GET /containers/json: storage is locked"):
            await tell_containers(hook(socket, owner="a", signal="HUP"), user, 20)


def test_label_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="could be anybody's container"):
        hook("/run/a.sock", signal="HUP")
