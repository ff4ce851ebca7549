"""Kubeconfigs as kubectl reads them: several files, another user's name, proxies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from issuer.kube import errors
from issuer.kube.auth.kubeconfig import KubeConfigFile
from issuer.kube.client import KubeClient


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def written(directory: Path, name: str, current: str = "", user: Any = None, **cluster: Any) -> str:
    """A kubeconfig with a context, cluster and user of that name."""
    config = {
        "current-context": current,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"in-{name}"}}],
        "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:1/{name}"} | cluster}],
        "users": [{"name": name, "user": {"token": name} if user is None else user}],
    }
    path = directory / name
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.mark.parametrize(
    ("first", "second", "used"), [("one", "two", "one"), ("", "two", "two"), ("two", "one", "two")]
)
async def test_first_current_context_of_several_files_counts(
    first: str, second: str, used: str, tmp_path: Path
) -> None:
    files = os.pathsep.join((written(tmp_path, "one", first), written(tmp_path, "two", second)))
    access = await KubeConfigFile(files).load()
    assert (access.server.rpartition("/")[2], access.authorization) == (used, f"Bearer {used}")
    assert KubeConfigFile(files).namespace() == f"in-{used}"
    assert (await KubeConfigFile(files, "one").load()).authorization == "Bearer one"


async def test_file_that_says_nothing_is_passed_over(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# nothing yet\n")
    files = os.pathsep.join((str(empty), "", str(tmp_path / "none"), written(tmp_path, "one", "one")))
    assert (await KubeConfigFile(files).load()).authorization == "Bearer one"


async def test_all_is_asked_as_the_user_that_a_kubeconfig_names(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.extend((name, value) for name, value in request.headers.items() if name.startswith("Imp"))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    user = {"token": "t", "as": "dev", "as-groups": ["a", "b"], "as-user-extra": {"x/y": ["1"]}}
    client = await KubeClient.open(
        KubeConfigFile(written(tmp_path, "one", "one", user, server=server)), user_agent="test"
    )
    try:
        await client.get_path("/version")
        asked = list(seen)
        assert await client.takes_token("other"), "who it is, is asked as its own user"
    finally:
        await client.close()
        await runner.cleanup()
    assert asked == [
        ("Impersonate-User", "dev"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-x%2Fy", "1"),
    ]
    assert seen == asked


@pytest.mark.parametrize(
    ("user", "cluster", "says"),
    [
        ({"token": "t", "as-groups": ["a"]}, {}, "but no as"),
        ({"token": "t"}, {"proxy-url": "socks5://127.0.0.1:1080"}, "proxy by socks5, and only http://"),
    ],
)
async def test_what_can_not_be_done_is_refused(
    user: Any, cluster: dict[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.ConfigError, match=says):
        await KubeConfigFile(written(tmp_path, "one", "one", user, **cluster)).load()


@pytest.mark.parametrize("by_file", [True, False])
@pytest.mark.parametrize("asked", [True, False])
async def test_plugin_is_told_of_the_cluster_if_it_asks(asked: bool, by_file: bool, tmp_path: Path) -> None:
    """As gardenlogin and others do."""
    script = tmp_path / "plugin"
    status = '{"apiVersion":"client.authentication.k8s.io/v1","status":{"token":"t"}}'
    script.write_text(f"#!/bin/sh\nprintenv KUBERNETES_EXEC_INFO > '{tmp_path}/told'\necho '{status}'\n")
    script.chmod(0o700)
    (tmp_path / "ca.pem").write_bytes(b"a CA")
    extensions = [
        {"name": "other", "extension": {"a": 1}},
        {"name": "client.authentication.k8s.io/exec", "extension": {"shoot": "one"}},
    ]
    ca = {"certificate-authority": "ca.pem"} if by_file else {"certificate-authority-data": "YSBDQQ=="}
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}
    user = {"exec": {**spec, "provideClusterInfo": asked}}
    path = written(tmp_path, "one", "one", user, **ca, extensions=extensions)
    assert (await KubeConfigFile(path).load()).authorization == "Bearer t"
    told = json.loads((tmp_path / "told").read_text())["spec"]
    cluster = {
        "server": "http://127.0.0.1:1/one",
        "certificate-authority-data": "YSBDQQ==",
        "config": {"shoot": "one"},
    }
    assert told == ({"interactive": False, "cluster": cluster} if asked else {"interactive": False})


@pytest.mark.parametrize("terminal", [True, False])
async def test_what_a_plugin_says_is_for_a_terminal_alone(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in ("kubeconfig", "exec_plugin"):
        monkeypatch.setattr(f"issuer.kube.auth.{module}.on_terminal", lambda: terminal)
    script = tmp_path / "plugin"
    script.write_text("#!/bin/sh\necho 'open https://login.test and enter ABCD' >&2\nexit 3\n")
    script.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}
    with pytest.raises(errors.ConfigError, match="ended with 3"):
        await KubeConfigFile(written(tmp_path, "one", "one", user)).load()
    assert ("enter ABCD" in capfd.readouterr().err) is terminal


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has not the form of a kubeconfig$"),
        (b"\xa0\xfe", "is no text in UTF-8$"),
        (b"[" * 1000, "has not the form of a kubeconfig$"),
        (b"a: " + b"x" * (4 << 20), "is larger than 4 MiB$"),
        (None, "it is no file: give --kubeconfig$"),
    ],
)
async def test_what_is_no_kubeconfig_is_told_by_its_name(
    content: bytes | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(errors.ConfigError, match=f"kubeconfig {path}.*{told}"):
        await KubeConfigFile(str(path)).load()


@pytest.mark.parametrize(
    ("change", "context", "says"),
    [
        ({}, "two", 'it has no context "two": --context takes one'),
        ({"current-context": ""}, None, "it has no current-context, so none is chosen: --context takes one"),
        ({"clusters": []}, None, 'its context "one" names the cluster "one", which is not in it'),
        ({"users": None}, None, 'its context "one" names the user "one", which is not in it'),
        ({"contexts": []}, None, "it has no contexts"),
    ],
)
def test_a_context_that_leads_nowhere_is_told_in_words(
    change: dict[str, Any], context: str | None, says: str, tmp_path: Path
) -> None:
    path = Path(written(tmp_path, "one", "one"))
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    with pytest.raises(errors.ConfigError, match=says):
        KubeConfigFile(str(path), context).namespace()
