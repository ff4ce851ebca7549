"""`renew`: the condition that has cert-manager issue again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.cli.cluster.renew import Ways, _renew, _renew_all, ask_for_renewal
from issuer.cli.completing import answer_kubectl
from issuer.cli.main import app
from issuer.cli.options import ClusterChoice
from issuer.manifests.errors import BadInput
from tests.unit.cli.test_installing import kubeconfig
from tests.unit.kube.fake_api import FakeApi, client_of, echo, json, listing, refuse, running

PATH = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def certificate(*conditions: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "web", "namespace": "team-a", "generation": 3, "resourceVersion": "1"},
        "status": {"revision": 2, "conditions": list(conditions)},
    }


async def test_the_condition_issuing_is_set_and_the_rest_of_the_status_kept() -> None:
    ready = {"type": "Ready", "status": "True"}
    async with running() as api, client_of(api) as client:
        api.on("GET", PATH, json(certificate(ready)), json(certificate(ready)))
        api.on("PUT", f"{PATH}/status", refuse(409, "Conflict"), echo("2"))
        assert await ask_for_renewal(client, "web", "team-a", NOW) == ""
        body = api.calls[-1].body
    assert body["status"]["revision"] == 2
    assert body["status"]["conditions"] == [
        ready,
        {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "Certificate re-issuance manually triggered",
            "lastTransitionTime": "2026-11-22T12:00:00Z",
            "observedGeneration": 3,
        },
    ]


async def test_what_is_being_issued_is_left_alone() -> None:
    async with running() as api, client_of(api) as client:
        api.on("GET", PATH, json(certificate({"type": "Issuing", "status": "True"})))
        assert "issuing it already" in await ask_for_renewal(client, "web", "team-a", NOW)


async def test_each_certificate_has_its_own_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running() as api:
        api.on("GET", "/api/v1/namespaces/team-a", json({}))
        api.on("GET", PATH, refuse(403, "Forbidden", "it takes get"))
        api.on("GET", PATH.replace("web", "api"), json(certificate()))
        api.on("PUT", f"{PATH}/status", echo("2"))
        cluster = ClusterChoice(kubeconfig(api, tmp_path), None)
        found = await _renew(["web", "api"], "team-a", cluster, print)
    assert [one.name for one in found.trouble] == ["web"]
    said = capsys.readouterr().out
    assert "team-a/web: " in said
    assert "it takes get" in said
    assert "team-a/api: cert-manager issues it again" in said


DEMO = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "demo"}
ISSUER = "/apis/vault-issuer.io/v1alpha1/vaultclusterissuers/demo"
ALL = "/apis/cert-manager.io/v1/certificates"


def of(reference: dict[str, str], name: str, began: str | None = None, namespace: str = "team-a") -> Any:
    found = certificate()
    found["metadata"] |= {"name": name, "namespace": namespace}
    status = {} if began is None else {"notBefore": began}
    return found | {"spec": {"issuerRef": reference}, "status": status}


async def all_of_demo(
    api: FakeApi, tmp_path: Path, before: datetime | None = None, *, done: bool = False
) -> int:
    cluster = ClusterChoice(kubeconfig(api, tmp_path), None)
    ways = Ways(yes=done, dry_run=not done)
    found = await _renew_all("vaultclusterissuer/demo", before, None, cluster, print, ways)
    return len(found.trouble)


async def test_certificates_of_other_issuers_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [
        {"name": "demo"},
        {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "demo"},
        DEMO | {"kind": "VaultIssuer"},
        DEMO | {"name": "letsencrypt"},
    ]
    found = [of(other, f"other-{n}") for n, other in enumerate(others)]
    async with running() as api:
        api.always("GET", ISSUER, json({}))
        api.always("GET", ALL, listing("1", *found, of(DEMO, "web"), of(DEMO, "web", namespace="team-b")))
        assert await all_of_demo(api, tmp_path) == 0
        assert not api.called("PUT")
        said = capsys.readouterr().out
        assert said.splitlines()[:2] == ["team-a/web", "team-b/web"]
        assert "2 Certificates" in said
        assert "Nothing was changed" in said
        for namespace in ("team-a", "team-b"):
            path = PATH.replace("team-a", namespace)
            api.on("GET", path, json(of(DEMO, "web", namespace=namespace)))
            api.on("PUT", f"{path}/status", echo("2"))
        assert await all_of_demo(api, tmp_path, done=True) == 0
        assert len(api.called("PUT")) == 2


async def test_plan_and_result_are_json_alone(tmp_path: Path) -> None:
    words = ["renew", "--issuer", "vaultclusterissuer/demo", "-o", "json"]
    async with running() as api:
        words += ["--kubeconfig", kubeconfig(api, tmp_path)]
        api.always("GET", ISSUER, json({}))
        api.always("GET", ALL, listing("1", of(DEMO, "web"), of(DEMO, "web", namespace="team-b")))
        plan = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--dry-run", "--yes"])
        undone = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert not api.called("PUT")
        api.on("GET", PATH, refuse(403, "Forbidden", "it takes get"))
        other = PATH.replace("team-a", "team-b")
        api.on("GET", other, json(of(DEMO, "web", namespace="team-b")))
        api.on("PUT", f"{other}/status", echo("2"))
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--yes"])
    assert (plan.exit_code, undone.exit_code, result.exit_code) == (0, 1, 1)
    assert "Use --yes" in undone.stderr
    first, second = ({"namespace": name, "name": "web", "renewed": False} for name in ("team-a", "team-b"))
    shown = {"done": False, "issuer": "VaultClusterIssuer/demo", "certificates": [first, second]}
    assert loads(plan.stdout) == loads(undone.stdout) == shown
    done = loads(result.stdout)
    assert "it takes get" in done["certificates"][0].pop("error")
    assert done == shown | {"done": True, "certificates": [first, second | {"renewed": True}]}


async def test_names_of_certificates_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as api:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(api, tmp_path))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "")  # put back afterwards
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "")
        monkeypatch.setenv("_VAULT_ISSUER_KUBECTL_COMPLETE", "")
        there = listing("1", of(DEMO, "web"), of(DEMO, "api"))
        api.on("GET", "/apis/cert-manager.io/v1/namespaces/default/certificates", there)
        said = await asyncio.to_thread(answer_kubectl, app, ["renew", "w"])
    assert [line.partition("\t")[0] for line in said.splitlines()] == ["web", ":4"]


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
async def test_a_person_is_asked_first(
    answer: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.cli.output.agreed", lambda *_: answer)
    async with running() as api:
        api.always("GET", ISSUER, json({}))
        api.always("GET", ALL, listing("1", of(DEMO, "web")))
        api.always("GET", PATH, json(of(DEMO, "web")))
        api.always("PUT", f"{PATH}/status", echo("2"))
        words = ["renew", "--issuer", "vaultclusterissuer/demo", "--kubeconfig", kubeconfig(api, tmp_path)]
        done = await asyncio.to_thread(CliRunner().invoke, app, words)
        assert (done.exit_code, len(api.called("PUT"))) == (code, 1 - code)
    assert done.stdout.splitlines()[0] == "team-a/web"


async def test_what_was_issued_since_a_time_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = of(DEMO, "old", "2026-11-22T11:59:59Z")
    async with running() as api:
        api.on("GET", ISSUER, refuse(403, "Forbidden"))
        api.on("GET", ALL, listing("1", old, of(DEMO, "new", "2026-11-22T12:00:00Z"), of(DEMO, "none")))
        assert await all_of_demo(api, tmp_path, NOW) == 0
    assert capsys.readouterr().out.splitlines()[0] == "team-a/old"


async def test_an_issuer_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with running() as api:
        api.on("GET", ISSUER, refuse(404, "NotFound"))
        with pytest.raises(BadInput, match='no VaultClusterIssuer "demo"'):
            await all_of_demo(api, tmp_path, done=True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["web", "--issuer", "vaultclusterissuer/demo"],
        ["web", "--yes"],
        ["web", "--dry-run"],
        ["--issuer", "vaultclusterissuer/demo", "--issued-before", "2026-11-22"],
        ["--issuer", "vaultclusterissuer/demo", "--issued-before", "yesterday"],
        ["--issuer", "certificate/web"],
    ],
    ids=" ".join,
)
def test_a_choice_that_is_none_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["renew", *words]).exit_code == 2
