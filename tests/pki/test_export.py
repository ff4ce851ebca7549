"""Exports of a real OpenBao: the file's plan is empty, nothing secret is in it, what is missing is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.pki.by_hand import SECRET_JWT, set_up
from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written


def export(vault: Vault, *words: str | Path, mounts: tuple[str, ...]) -> list[str | Path]:
    """Return the words of an export of these mounts."""
    chosen = [word for one in mounts for word in ("--mount", f"{vault.name}-{one}")]
    return ["export", *chosen, *words]


@pytest.fixture
def by_hand(vault: Vault) -> Vault:
    set_up(vault)
    return vault


ALL = ("root", "int", "imported", "open-acme")


def variable(vault: Vault) -> str:
    """Return the name of the variable that stands for the token of the Kubernetes login."""
    return f"{vault.name}_kubernetes_token_reviewer_jwt".upper()


def test_a_vault_set_up_by_hand_is_exported_and_its_plan_is_empty(by_hand: Vault, tmp_path: Path) -> None:
    file = tmp_path / "pki.yaml"
    before = len(by_hand.requests())
    ran = by_hand.run(*export(by_hand, "-o", file, mounts=ALL))
    assert ran.exit_code == 3, ran.output
    assert by_hand.writes_since(before) == []
    assert "A plan of the file is empty" in ran.output
    assert "default_directory_policy must be role:NAME" in ran.output
    assert "years" in file.read_text()
    for secret in (SECRET_JWT, by_hand.bao.token, "PRIVATE KEY"):
        assert secret not in file.read_text() + ran.output
    known = {variable(by_hand): "anything"}
    planned = by_hand.run("plan", "-f", file, **known)
    assert planned.exit_code == 0, planned.output
    assert "token_reviewer_jwt is set, can't be compared" in planned.output
    before = len(by_hand.requests())
    by_hand.apply(file, **known)
    assert by_hand.writes_since(before) == []


def test_every_kind_of_thing_is_in_the_file(by_hand: Vault, tmp_path: Path) -> None:
    name, file = by_hand.name, tmp_path / "pki.yaml"
    by_hand.run(*export(by_hand, "-o", file, mounts=ALL))
    data = yaml.safe_load(file.read_text())
    foundation, mount = data["foundation"], data["mounts"][f"{name}-int"]
    assert set(mount) == {"tune", "cluster", "urls", "crl", "autoTidy", "acme", "defaultIssuer", "roles"}
    assert set(mount["roles"]) == {"plain", "web", "odd", "cross", "template"}
    assert mount["roles"]["plain"] == {}
    assert set(foundation["auth"]) == {f"{name}-{kind}" for kind in ("kubernetes", "approle", "cert", "jwt")}
    assert set(foundation["auth"][f"{name}-approle"]["roles"]) == {"app", "no-secret"}
    assert set(foundation["policies"]) == {f"{name}-sign", f"{name}-json"}
    assert foundation["authorities"]["hand-root"]["subject"] == {
        "commonName": "Hand Root CA",
        "organization": ["Hand", "Made"],
        "country": ["CH"],
    }
    made = {one: data["authorities"][one] for one in ("hand-int", "hand-cross", "hand-offline", "elsewhere")}
    assert made["hand-int"]["signedBy"] == "hand-root"
    assert made["hand-int"]["keyName"] == "hand-key"
    assert made["hand-cross"]["existing"] is True
    assert made["hand-offline"]["offline"] == {
        "request": "hand-offline.csr",
        "certificate": "hand-offline.pem",
    }
    assert "Signed by CN=Elsewhere Root CA, which is not in this file" in file.read_text()


def test_an_issuer_is_described_once_it_has_the_name(by_hand: Vault, tmp_path: Path) -> None:
    mount, file = f"{by_hand.name}-int", tmp_path / "pki.yaml"
    by_hand.run(*export(by_hand, "-o", file, mounts=ALL))
    nameless = [
        one for one, info in by_hand.issuers(mount).items() if info["key_id"] and not info["issuer_name"]
    ]
    told = f"bao patch {mount}/issuer/{nameless[0]} issuer_name=NAME"
    assert told in " ".join(file.read_text().replace("#", "").split())
    merge = {"Content-Type": "application/merge-patch+json"}
    body = {"issuer_name": "named-now"}
    by_hand.bao.call("PATCH", f"{mount}/issuer/{nameless[0]}", body, headers=merge)
    by_hand.run(*export(by_hand, "-o", file, "--force", mounts=ALL))
    assert "subject" in yaml.safe_load(file.read_text())["authorities"]["named-now"]
    assert by_hand.run("plan", "-f", file, **{variable(by_hand): "anything"}).exit_code == 0


def test_what_a_file_made_is_exported_as_it_was(vault: Vault, tmp_path: Path) -> None:
    vault.apply(written(tmp_path, TWO_TIER))
    foundation, rest = tmp_path / "foundation.yaml", tmp_path / "rest.yaml"
    ran = vault.run(*export(vault, "--foundation", foundation, "-o", rest, mounts=("root", "int")))
    assert ran.exit_code == 0, ran.output
    assert actions(vault.plan(foundation, rest)) == []
    apart = yaml.safe_load(rest.read_text())
    assert "foundation" not in apart
    assert f"{vault.name}-int" in apart["mounts"]
    before = yaml.safe_load(TWO_TIER.replace("${T}", vault.name))
    exported = yaml.safe_load(foundation.read_text())["foundation"]["authorities"][f"{vault.name}-root-2026"]
    assert exported["subject"] == before["foundation"]["authorities"][f"{vault.name}-root-2026"]["subject"]


def test_a_file_that_exists_is_kept(vault: Vault, tmp_path: Path) -> None:
    vault.apply(written(tmp_path, TWO_TIER))
    kept = written(tmp_path, "mine", "kept.yaml")
    before = len(vault.requests())
    ran = vault.run(*export(vault, "-o", kept, mounts=("root", "int")))
    assert ran.exit_code == 1
    assert "--force" in ran.output
    assert kept.read_text() == "mine"
    assert len(vault.requests()) == before
    ran = vault.run(*export(vault, "-o", kept, "--force", mounts=("root", "int")))
    assert ran.exit_code == 0, ran.output
    assert actions(vault.plan(kept)) == []


def test_the_prefix_chooses_policies_and_auth_roles(vault: Vault, tmp_path: Path) -> None:
    text = TWO_TIER.replace("        web: {token", "        ${T}-web: {token")
    vault.apply(written(tmp_path, text))
    other = {"policy": f'path "{vault.name}-int/*" {{ capabilities = ["read"] }}'}
    vault.bao.call("PUT", f"sys/policies/acl/other-{vault.name}", other)
    file = tmp_path / "exported.yaml"
    ran = vault.run(*export(vault, "--prefix", f"{vault.name}-", "-o", file, mounts=("root", "int")))
    assert ran.exit_code == 0, ran.output
    data = yaml.safe_load(file.read_text())
    assert data["prefix"] == f"{vault.name}-"
    assert set(data["foundation"]["policies"]) == {f"{vault.name}-sign"}
    ran = vault.run("plan", "--prune", "-f", file, "-o", "json")
    assert actions(json.loads(ran.stdout)) == []


def test_what_may_not_be_read_is_told_in_its_place(vault: Vault, tmp_path: Path) -> None:
    vault.apply(written(tmp_path, TWO_TIER))
    name = f"{vault.name}-reader"
    rules = "".join(
        f'path "{path}" {{ capabilities = [{verbs}] }}\n'
        for path, verbs in (
            ("sys/mounts", '"read"'),
            (f"{vault.name}-*", '"read", "list"'),
            (f"{vault.name}-int/config/crl", '"deny"'),
            (f"{vault.name}-int/roles/web", '"deny"'),
        )
    )
    vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": rules})
    body = {"policies": [name], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    file = tmp_path / "exported.yaml"
    ran = vault.run(*export(vault, "-o", file, mounts=("root", "int")))
    assert ran.exit_code == 3, ran.output
    for path in (f"{vault.name}-int/config/crl", f"{vault.name}-int/roles/web", "sys/auth", "sys/audit"):
        assert f"Not read: {path}: " in file.read_text()
    assert actions(vault.plan(file)) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mount", "nowhere"), "--mount nowhere: Vault has no such mount"),
        (("--mount", "identity"), "identity is no PKI mount"),
        (("--auth", "nowhere"), "--auth nowhere: Vault has no such mount"),
        (("--foundation", "f.yaml"), "--foundation needs --out FILE"),
        (("--foundation", "f.yaml", "-o", "f.yaml"), "name one file"),
    ],
)
def test_a_wrong_choice_is_refused(vault: Vault, words: tuple[str, ...], said: str) -> None:
    ran = vault.run("export", *words)
    assert ran.exit_code == 1, ran.output
    assert said in ran.output


@pytest.mark.parametrize(
    "words", [("-o", "nowhere/f.yaml"), ("-o", "f.yaml", "--foundation", "nowhere/f.yaml")]
)
def test_a_missing_folder_is_told_before_vault_is_read(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = len(vault.requests())
    ran = vault.run("export", *words)
    assert ran.exit_code == 1, ran.output
    assert "nowhere/f.yaml can't be written: nowhere is not a folder" in ran.output
    assert len(vault.requests()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told(vault: Vault, tmp_path: Path) -> None:
    vault.bao.write(f"sys/mounts/{vault.name}-empty", {"type": "pki"})
    file = tmp_path / ("f" * 256)
    ran = vault.run(*export(vault, "-o", file, mounts=("empty",)))
    assert ran.exit_code == 1, ran.output
    assert f"{file} can't be written: File name too long" in ran.output
