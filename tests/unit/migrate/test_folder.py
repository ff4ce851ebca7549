"""The folder of `--output-dir`: a later run adds to it, and nothing in it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.migrate.options import Options
from issuer.migrate.output.folder import Folder, Written, open_folder
from issuer.migrate.output.next_steps import back, kubectl
from issuer.migrate.plan import Plan
from issuer.migrate.steps.assemble import plan_of
from tests.unit.migrate.conftest import Migrate, Object, certificate, issuer, peer_policy, role, use_rule

SERVER = "https://cluster.example:6443"


def plan(*objects: Object) -> Plan:
    return plan_of([Document("x", one) for one in objects], Options())


def saved(path: Path, one: Plan, server: str = SERVER) -> Written:
    """What `--apply` does with the folder."""
    folder = open_folder(path)
    folder.check_cluster(server)
    written = folder.more(one, server)
    folder.write(written)
    return written


def held(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def names(path: Path) -> list[str]:
    return [f"{one['kind']} {one['metadata']['name']}" for one in held(path)]


OLD = {"group": "cert-manager.io", "kind": "Issuer", "name": "vault"}


def test_a_run_that_goes_on_adds_to_what_the_first_has_left(tmp_path: Path) -> None:
    saved(tmp_path, plan(issuer()))
    first = names(tmp_path / "1-create.yaml")
    saved(tmp_path, plan(issuer(), certificate(OLD)))
    web = held(tmp_path / "undo.yaml")
    there = plan(issuer(), certificate(OLD, "api"))
    # All is made by now, and one more Certificate has come.
    saved(tmp_path, Plan(there.changed))
    assert names(tmp_path / "1-create.yaml") == first
    assert names(tmp_path / "undo.yaml") == ["Certificate api", "Certificate web"]
    assert names(tmp_path / "2-change.yaml") == ["Certificate api", "Certificate web"]
    assert held(tmp_path / "undo.yaml")[1:] == web
    assert "To tighten it" in (tmp_path / "1-create.yaml").read_text(), "comments stay"


def test_what_differs_is_kept_beside_it(tmp_path: Path) -> None:
    saved(tmp_path, plan(issuer(), certificate(OLD)))
    edited = (tmp_path / "1-create.yaml").read_text().replace("server auth", "client auth")
    (tmp_path / "1-create.yaml").write_text(edited)
    written = saved(tmp_path, plan(issuer(), certificate(OLD, dnsNames=["new.lab.example"])))
    assert set(written.kept) == {"1-create.yaml", "2-change.yaml", "undo.yaml"}
    assert (tmp_path / "1-create.yaml.1").read_text() == edited
    (now,) = held(tmp_path / "undo.yaml")
    (before,) = held(tmp_path / "undo.yaml.1")
    assert (now["spec"]["dnsNames"], before["spec"]["dnsNames"]) == (["new.lab.example"], ["www.lab.example"])


def test_a_role_that_changes_twice_goes_back_to_what_it_was_at_first(tmp_path: Path) -> None:
    rule = use_rule()
    first = plan(issuer(), peer_policy(), role(rule))
    saved(tmp_path, first)
    (changed,) = [one.manifest for one in first.changed if one.manifest]
    signers = {"apiGroups": ["cert-manager.io"], "resources": ["signers"], "verbs": ["reference"]}
    second = {**changed, "rules": [*changed["rules"], signers]}
    assert saved(tmp_path, plan(issuer(), peer_policy(), second)).kept == ("2-change.yaml",)
    assert [one["rules"] for one in held(tmp_path / "undo.yaml")] == [[rule]]


def test_the_same_again_keeps_no_copy(tmp_path: Path) -> None:
    one = plan(issuer(), certificate(OLD))
    saved(tmp_path, one)
    assert saved(tmp_path, one).kept == ()
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("kind: Mine\n", "not made by vault-issuer migrate"),
        ("# Made by vault-issuer migrate.\n---\n: : :\n", "not valid YAML"),
        ("# Made by vault-issuer migrate.\n---\nkind: X\n", "single objects"),
        (b"# Made by vault-issuer migrate.\xff", "can't be read"),
    ],
)
def test_files_that_are_not_ours_or_not_readable_are_refused_first(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    (tmp_path / "undo.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BadInput, match=told):
        open_folder(tmp_path)


@pytest.mark.parametrize("server", ["https://other.example", ""])
def test_a_folder_of_another_cluster_is_refused(tmp_path: Path, server: str) -> None:
    open_folder(tmp_path).write(open_folder(tmp_path).new(plan(issuer()), server))
    with pytest.raises(BadInput, match="belongs to the way back"):
        open_folder(tmp_path).check_cluster(SERVER)


def test_a_path_that_can_not_be_a_folder_is_told_before_anything_is_printed(
    migrate: Migrate, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    done = migrate(issuer(), output="yaml", args=("--output-dir", str(tmp_path / "file" / "below")))
    assert (done.code, done.stdout) == (2, "")
    assert "is no folder" in done.stderr


def test_a_failed_write_comes_before_the_manifests(
    migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    folder = tmp_path / "out"
    folder.mkdir()
    run = migrate
    monkeypatch.setattr("issuer.migrate.output.folder.Path.mkdir", full)
    done = run(issuer(), output="yaml", args=("--output-dir", str(folder)))
    assert (done.code, done.stdout) == (2, "")
    assert "No space left" in done.stderr


def test_with_nothing_to_write_a_folder_in_use_is_no_problem(tmp_path: Path) -> None:
    saved(tmp_path, plan(issuer()))
    assert open_folder(tmp_path).new(Plan(())).texts == {}
    with pytest.raises(BadInput, match="may hold the way back"):
        open_folder(tmp_path).new(plan(issuer()))


def test_a_written_plan_says_what_comes_next_and_how_to_go_back(migrate: Migrate, tmp_path: Path) -> None:
    folder = tmp_path / "the plan"
    done = migrate(issuer(), issuer("b", ""), certificate(OLD), args=("--output-dir", str(folder)))
    lines = [line.strip() for line in done.stderr.splitlines()]
    assert f"kubectl apply -f '{folder}/1-create.yaml'" in lines
    assert "kubectl wait --for=condition=Ready --timeout=60s --all vaultissuers -A" in lines
    assert "kubectl wait --for=condition=Ready --timeout=60s --all vaultclusterissuers" in lines
    assert f"kubectl apply -f '{folder}/2-change.yaml'" in lines
    assert (
        f"kubectl replace -f '{folder}/undo.yaml' && kubectl delete -f '{folder}/1-create.yaml'" in lines[-1]
    )


def test_the_way_back_is_for_the_cluster_that_was_read_and_the_files_there_are() -> None:
    folder = Folder(Path("out"))
    (line,) = back(folder, Written({"1-create.yaml": ""}), kubectl("a b", "prod"))
    assert line.endswith(": kubectl '--kubeconfig=a b' --context=prod delete -f out/1-create.yaml")
