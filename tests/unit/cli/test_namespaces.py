"""`--namespace` that names none of the cluster is an error that names it, in each command that has it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from tests.unit.cli.test_installing import kubeconfig
from tests.unit.kube.fake_api import FakeApi, json, listing, refuse, running

ISSUER = "VaultClusterIssuer/vault"
MISSING = "/api/v1/namespaces/team-x"
CERT_MANAGER = "/apis/cert-manager.io/v1/namespaces/team-x"
ADOPTABLE = "/apis/certmanager.step.sm/v1beta1"

COMMANDS = {
    "status": ["status", "-n", "team-x"],
    "status of controllers": ["status", "--controller-namespace", "team-x"],
    "explain": ["explain", "certificate/web", "-n", "team-x"],
    "explain with a path": ["explain", "vaultissuer/team-x/vault"],
    "inspect": ["inspect", "secret/web", "-n", "team-x"],
    "renew": ["renew", "web", "-n", "team-x"],
    "renew of an issuer": ["renew", "--issuer", ISSUER, "-n", "team-x"],
    "revocation": ["revocation", "release", "-n", "team-x"],
    "canary": ["canary", ISSUER, "--dns-name=canary.example.com", "-n", "team-x"],
}


async def said(api: FakeApi, folder: Path, words: list[str]) -> tuple[int, str]:
    """Exit code and output of a command on this API server."""
    command = [*words, "--kubeconfig", kubeconfig(api, folder)]
    done = await asyncio.to_thread(CliRunner().invoke, app, command)
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
async def test_a_namespace_that_is_not_there_is_named(words: list[str], tmp_path: Path) -> None:
    async with running() as api:
        api.always("GET", MISSING, refuse(404, "NotFound"))
        api.always("GET", ADOPTABLE, refuse(404, "NotFound"))
        for path in (
            f"{CERT_MANAGER}/certificates/web",
            f"{MISSING}/secrets/web",
            "/apis/vault-issuer.io/v1alpha1/namespaces/team-x/vaultissuers/vault",
        ):
            api.always("GET", path, refuse(404, "NotFound"))
        code, output = await said(api, tmp_path, words)
        assert all(call.method == "GET" for call in api.calls)
    assert code == 2, output
    assert 'there is no namespace "team-x" in the cluster' in output


async def test_who_may_not_read_namespaces_is_believed(tmp_path: Path) -> None:
    async with running() as api:
        api.on("GET", MISSING, refuse(403, "Forbidden"))
        api.on("GET", f"{CERT_MANAGER}/certificaterequests", listing("1"))
        code, output = await said(api, tmp_path, COMMANDS["revocation"])
        assert code == 0, output
        api.on("GET", MISSING, refuse(403, "Forbidden"))
        api.on("GET", "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers/vault", json({}))
        api.on("GET", f"{CERT_MANAGER}/certificates", listing("1"))
        code, output = await said(api, tmp_path, COMMANDS["renew of an issuer"])
        assert code == 0, output
