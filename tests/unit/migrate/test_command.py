"""What the command prints, writes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from issuer.cli.main import app
from tests.unit.migrate.conftest import TOKEN, Migrate, Object, certificate, issuer


def test_the_table_says_what_becomes_of_what(migrate: Migrate) -> None:
    done = migrate(issuer(), certificate({"name": "vault"}), output=None)
    assert done.code == 0
    text = " ".join(done.stdout.split())
    assert "create Issuer team-a/vault VaultIssuer team-a/vault" in text
    assert "change Certificate team-a/web -> Issuer team-a/vault -> VaultIssuer team-a/vault" in text
    assert "nothing was written to a cluster" in text


def test_yaml_is_ready_for_kubectl_and_the_plan_goes_to_standard_error(migrate: Migrate) -> None:
    done = migrate(issuer(), certificate({"name": "vault"}), output="yaml")
    documents = list(yaml.safe_load_all(done.stdout))
    assert [one["kind"] for one in documents[-2:]] == ["VaultIssuer", "Certificate"]
    assert "To tighten it" in done.stdout
    assert "Issuer team-a/vault" in done.stderr


def test_a_folder_gets_both_steps_and_the_way_back_and_keeps_them(migrate: Migrate, tmp_path: Path) -> None:
    old = certificate({"group": "cert-manager.io", "kind": "Issuer", "name": "vault"})
    folder = str(tmp_path / "out")
    done = migrate(issuer(), old, args=("--output-dir", folder))
    files = sorted(path.name for path in Path(folder).iterdir())
    assert (done.code, files) == (0, ["1-create.yaml", "2-change.yaml", "undo.yaml"])
    assert list(yaml.safe_load_all((tmp_path / "out" / "undo.yaml").read_text())) == [old]
    again = migrate(issuer(), old, args=("--output-dir", folder))
    assert again.code == 2
    assert "may hold the way back" in again.stderr


def test_secrets_among_the_files_are_not_printed(migrate: Migrate) -> None:
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "vault-token", "namespace": "team-a"},
        "stringData": {"token": "hvs.TOPSECRET"},
    }
    for output in ("json", "yaml", None):
        done = migrate(issuer(), secret, output=output)
        assert done.code == 0
        assert "TOPSECRET" not in done.stdout + done.stderr
    assert "Secret (1)" in migrate(issuer(), secret).notes()


def test_names_from_files_do_not_break_out_of_comments_or_colour_a_terminal(migrate: Migrate) -> None:
    done = migrate(issuer("x\nkind: Evil\x1b[31m"), output="yaml")
    assert "\x1b" not in done.stdout + done.stderr
    assert {one["kind"] for one in yaml.safe_load_all(done.stdout)} >= {"VaultIssuer"}
    assert not any(line.startswith("kind: Evil") for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}], "nothing to migrate"),
        ([issuer(), issuer()], "give it once"),
        ([{**issuer(), "metadata": {"name": "vault"}}], "give --namespace"),
        ([{**issuer(), "metadata": {"namespace": "a"}}], "metadata.name is missing"),
    ],
)
def test_input_that_can_not_be_used_is_told(migrate: Migrate, objects: list[Object], told: str) -> None:
    done = migrate(*objects)
    assert done.code == 2
    assert told in done.stderr


def test_a_namespace_can_be_given_for_objects_that_name_none(migrate: Migrate) -> None:
    nameless = {**issuer(), "metadata": {"name": "vault"}}
    done = migrate(nameless, args=("--namespace", "shop"))
    assert done.made("VaultIssuer")["metadata"]["namespace"] == "shop"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-f", "x.yaml", "--from-cluster"],
        ["-f", "x.yaml", "--context", "c"],
        ["-f", "x.yaml", "--apply", "--output-dir", "d"],
        ["--from-cluster", "--apply"],
        ["--from-cluster", "--yes"],
        ["--from-cluster", "--apply", "--output-dir", "d", "-o", "json"],
        ["-f", "/does/not/exist.yaml"],
        ["-f", "-", "--controller", "name"],
    ],
)
def test_options_that_do_not_fit_are_usage_errors(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["migrate", *arguments], input="").exit_code == 2


def test_standard_input_and_lists_of_kubectl_are_read() -> None:
    body = {"apiVersion": "v1", "kind": "List", "items": [issuer(), issuer("b", auth=TOKEN)]}
    done = CliRunner().invoke(app, ["migrate", "-f", "-", "-o", "yaml"], input=yaml.safe_dump(body))
    assert done.exit_code == 0
    made = [one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "VaultIssuer"]
    assert len(made) == 2
