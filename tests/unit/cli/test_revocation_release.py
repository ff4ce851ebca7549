"""`revocation release` finds what carries our finalizer, takes only that off, and says what it could not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from issuer.cli.main import app
from issuer.controller.revocation.release import FinalizedRequest, find, release
from issuer.kube.client import KubeClient
from issuer.manifests.cluster import open_client
from issuer.requests.finalizer import FINALIZER
from tests.builders import certificate_request
from tests.unit.kube.fake_api import FakeApi, json, listing, refuse

ALL = "/apis/cert-manager.io/v1/certificaterequests"
ONE = "/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests/one"
MARKED = FinalizedRequest("team-a", "one", "VaultClusterIssuer/demo", deleting=False, has_certificate=False)


@pytest.fixture
def kubeconfig(api: FakeApi, tmp_path: Path) -> str:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
async def client(kubeconfig: str) -> AsyncIterator[KubeClient]:
    async with open_client(kubeconfig, None) as one:
        yield one


def marked(name: str = "one", *finalizers: str, **meta: Any) -> dict[str, Any]:
    """A request with these finalizers and ours."""
    found = certificate_request(name)
    found["metadata"] |= {"finalizers": [*finalizers, FINALIZER], **meta}
    return found


async def test_only_marked_requests_are_found_on_every_page(api: FakeApi, client: KubeClient) -> None:
    deleting = marked("two", deletionTimestamp="2026-11-22T12:00:00Z")
    api.on("GET", ALL, listing("1", marked(), certificate_request("x"), more="next"), listing("1", deleting))
    found = await find(client, None)
    assert [(one.name, one.deleting) for one in found] == [("one", False), ("two", True)]
    assert found[0] == MARKED


async def test_a_cluster_without_cert_manager_has_none(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ALL, refuse(404, "NotFound"))
    assert await find(client, None) == []


async def test_only_our_finalizer_comes_off_and_a_conflict_is_tried_again(
    api: FakeApi, client: KubeClient
) -> None:
    api.on("GET", ONE, json(marked("one", "other")), json(marked("one", "other")))
    api.on("PUT", ONE, refuse(409, "Conflict"), json(marked()))
    assert await release(client, MARKED) is None
    assert [call.body["metadata"]["finalizers"] for call in api.called("PUT")] == [["other"], ["other"]]


async def test_one_that_is_gone_is_released(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ONE, refuse(404, "NotFound"))
    assert await release(client, MARKED) is None


async def test_a_refusal_is_told(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ONE, json(marked()))
    api.on("PUT", ONE, refuse(403, "Forbidden", "the webhook is down"))
    assert "the webhook is down" in (await release(client, MARKED) or "")


@pytest.mark.parametrize(
    ("words", "code", "released"), [([], 1, False), (["--dry-run", "--yes"], 0, False), (["--yes"], 0, True)]
)
async def test_it_is_done_by_a_yes_alone_and_the_code_says_so(
    api: FakeApi, kubeconfig: str, words: list[str], code: int, released: bool
) -> None:
    api.on("GET", ALL, listing("1", marked()))
    api.on("GET", ONE, json(marked()))
    api.on("PUT", ONE, json(marked()))
    given = ["revocation", "release", "--kubeconfig", kubeconfig, *words]
    done = await asyncio.to_thread(CliRunner().invoke, app, given)
    assert (done.exit_code, bool(api.called("PUT"))) == (code, released), done.output
    assert done.stdout.startswith("team-a/one  ")
    assert ("Use --yes" in done.stderr) is (not words)


async def test_a_missing_right_is_told_with_all_that_it_takes(
    api: FakeApi, client: KubeClient, kubeconfig: str
) -> None:
    api.on("GET", ALL, refuse(403, "Forbidden"))
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["revocation", "release", "--kubeconfig", kubeconfig]
    )
    assert done.exit_code == 2
    assert "Releasing takes list of certificaterequests" in done.stderr
    api.on("GET", ONE, json(marked()))
    api.on("PUT", ONE, refuse(403, "Forbidden"))
    assert "get and update" in (await release(client, MARKED) or "")


def test_without_a_cluster_the_exit_code_says_bad_input() -> None:
    done = CliRunner().invoke(app, ["revocation", "release", "--kubeconfig", "/no/such/file"])
    assert done.exit_code == 2
    assert "no cluster" in done.stderr
