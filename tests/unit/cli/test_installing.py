"""`crds` and `ready`, which the chart's hooks and test run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from issuer.api.crd import custom_resource_definitions
from issuer.cli.main import app
from testbed.kube import documents
from tests.unit.kube.fake_api import FakeApi, echo, json, refuse, running

ISSUER = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers/vault"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"


def kubeconfig(api: FakeApi, folder: Path) -> str:
    """A file that leads to the scripted API server."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return str(path)


def issuer(status: str) -> dict[str, object]:
    condition = {"type": "Ready", "status": status, "reason": "LoginFailed", "message": "no such role"}
    return {"metadata": {"name": "vault"}, "status": {"conditions": [condition]}}


def test_without_apply_the_crds_are_printed() -> None:
    done = CliRunner().invoke(app, ["crds"])
    assert done.exit_code == 0
    assert documents(done.stdout) == list(custom_resource_definitions().values())


async def test_apply_takes_fields_over_and_names_a_missing_right(tmp_path: Path) -> None:
    from issuer.cli.cluster.crds import _apply
    from issuer.kube.errors import Forbidden

    async with running() as api:
        names = [one["metadata"]["name"] for one in custom_resource_definitions().values()]
        for name in names:
            api.on("PATCH", CRDS + name, echo("2"))
        await _apply("helm", kubeconfig(api, tmp_path), None)
        assert [call.query["force"] for call in api.calls] == ["true"] * len(names)
        assert {call.query["fieldManager"] for call in api.calls} == {"helm"}
        api.on("PATCH", CRDS + names[0], refuse(403, "Forbidden"))
        with pytest.raises(Forbidden):
            await _apply("helm", kubeconfig(api, tmp_path), None)


async def test_an_issuer_is_waited_for_and_the_reason_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from issuer.cli.cluster.ready import Wanted, _issuers, _wait

    wanted = Wanted([], [], _issuers(["VaultClusterIssuer/vault"], []))
    async with running() as api:
        api.on("GET", ISSUER, json({"metadata": {"name": "vault"}}), json(issuer("True")))
        where = kubeconfig(api, tmp_path)
        assert await _wait(wanted, 10, where, None) == {}
        assert capsys.readouterr().err.startswith("waiting for VaultClusterIssuer/vault: ")
        api.on("GET", ISSUER, json(issuer("False")))
        assert await _wait(wanted, 0, where, None) == {
            "VaultClusterIssuer/vault": "LoginFailed: no such role"
        }
        api.on("GET", ISSUER, refuse(404, "NotFound", "there is none"))
        missing = await _wait(wanted, 0, where, None)
        assert missing["VaultClusterIssuer/vault"] == (
            'there is no VaultClusterIssuer "vault"; create it, or correct --issuer'
        )


async def test_a_url_is_ready_when_it_answers_200() -> None:
    from issuer.cli.cluster.ready import Wanted, _wait

    async with running() as api:
        api.on("GET", "/readyz", json({}), json({}, status=503))
        url = f"{api.url}/readyz"
        assert await _wait(Wanted([url], [], {}), 0, None, None) == {}
        assert await _wait(Wanted([url], [], {}), 0, None, None) == {url: "answers 503"}
    assert (await _wait(Wanted([url], [], {}), 0, None, None))[url].startswith("no answer: ")


async def test_a_lease_is_well_when_its_holder_is_a_ready_pod(tmp_path: Path) -> None:
    from issuer.cli.cluster.ready import Wanted, _wait

    wanted, name = Wanted([], ["pki/vault-issuer"], {}), "pki/vault-issuer"
    lease = "/apis/coordination.k8s.io/v1/namespaces/pki/leases/vault-issuer"
    pod = "/api/v1/namespaces/pki/pods/issuer-7f_x-0"
    async with running() as api:
        where = kubeconfig(api, tmp_path)
        api.on("GET", lease, json({"spec": {}}))
        assert await _wait(wanted, 0, where, None) == {name: "no replica holds it"}
        api.on("GET", lease, json({"spec": {"holderIdentity": "issuer-7f_x-0_9a"}}))
        api.on("GET", pod, json(issuer("False")))
        assert "is not Ready: LoginFailed" in (await _wait(wanted, 0, where, None))[name]
        api.on("GET", lease, json({"spec": {"holderIdentity": "issuer-7f_x-0_9a"}}))
        api.on("GET", pod, json(issuer("True")))
        assert await _wait(wanted, 0, where, None) == {}
        api.on("GET", lease, json({"spec": {"holderIdentity": "issuer-7f_x-0_9a"}}))
        api.on("GET", pod, refuse(404, "NotFound", "there is no such pod"))
        assert "no such pod" in (await _wait(wanted, 0, where, None))[name]
        api.on("GET", lease, refuse(404, "NotFound", "there is none"))
        assert (await _wait(wanted, 0, where, None))[name].startswith('there is no Lease "vault-issuer"')


@pytest.mark.parametrize("lease", ["vault-issuer", "a/b/c", "/b", "a/"])
def test_a_lease_is_named_with_its_namespace(lease: str) -> None:
    assert CliRunner().invoke(app, ["ready", "--lease", lease]).exit_code == 2


@pytest.mark.parametrize("name", ["vault", "VaultClusterIssuer/", "VaultClusterIssuer/a/b", "VaultIssuer/a"])
def test_an_issuer_is_named_by_its_kind(name: str) -> None:
    done = CliRunner().invoke(app, ["ready", "--issuer", name])
    assert done.exit_code == 2
    assert "VaultIssuer/NAMESPACE/NAME" in " ".join(done.stderr.split())


@pytest.mark.parametrize("words", [["crds", "--apply"], ["ready", "--issuer", "VaultClusterIssuer/vault"]])
def test_without_a_cluster_it_is_bad_input(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--kubeconfig", "/no/such/file"])
    assert done.exit_code == 2
    assert "no cluster" in done.stderr


@pytest.mark.parametrize(
    ("status", "reason", "code"), [(403, "Forbidden", 1), (503, "ServiceUnavailable", 2)]
)
async def test_a_missing_right_is_told_from_a_dead_server(
    status: int, reason: str, code: int, tmp_path: Path
) -> None:
    name = next(iter(custom_resource_definitions().values()))["metadata"]["name"]
    async with running() as api:
        api.always("PATCH", f"{CRDS}{name}", refuse(status, reason))
        words = ["crds", "--apply", "--kubeconfig", kubeconfig(api, tmp_path)]
        done = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert done.exit_code == code
    assert ("It takes patch" in done.stderr) is (code == 1)
